package rs

import (
	"context"
	"reflect"
)

// SubjectAs returns what Config.SubjectLoader loaded for the request's token; ok is false where it is no T, no loader
// was configured, or the request is anonymous. It never panics.
func SubjectAs[T any](ctx context.Context) (subject T, ok bool) {
	if t, _ := FromContext(ctx); t != nil && t.state != nil && t.state.subject != nil {
		subject, ok = (*t.state.subject).(T)
	}
	return subject, ok
}

// isNil also knows the nil pointer that a function returned as any.
func isNil(subject any) bool {
	v := reflect.ValueOf(subject)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}
