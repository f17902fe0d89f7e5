package rs

import "encoding/json"

// Claim returns one claim as a T: string, bool, int64, float64, []string, or what Token.Claims holds. ok is false where
// there is no such claim, where it is something else, or does not fit; for int64 it must be written as an integer. It
// never panics, not on a nil t either.
func Claim[T any](t *Token, name string) (claim T, ok bool) {
	if t == nil {
		return claim, false
	}
	if claim, ok = t.Claims[name].(T); ok {
		return claim, true
	}
	switch to := any(&claim).(type) {
	case *int64:
		*to, ok = number(t.Claims[name], json.Number.Int64)
	case *float64:
		*to, ok = number(t.Claims[name], json.Number.Float64)
	case *[]string:
		*to, ok = list(t.Claims[name])
	}
	return claim, ok
}

func number[T any](claim any, read func(json.Number) (T, error)) (n T, ok bool) {
	written, ok := claim.(json.Number)
	if !ok {
		return n, false
	}
	got, err := read(written)
	if err != nil {
		return n, false // not the greatest number, as strconv has it
	}
	return got, true
}

func list(claim any) ([]string, bool) {
	members, ok := claim.([]any)
	if !ok {
		return nil, false
	}
	all := make([]string, 0, len(members))
	for _, m := range members {
		s, ok := m.(string)
		if !ok {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}
