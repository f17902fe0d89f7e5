package oauth

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"
)

// maxNumericDate is the first second of the year 10000, which RFC 3339 cannot spell any more.
const maxNumericDate = 253402300800

// NumericDate reads a claim of RFC 7519 §2 as [DecodeClaims] returns it: seconds since 1970, perhaps with a fraction,
// kept to about a microsecond. Anything that is no JSON number, is not after 1970, or lies beyond the year 9999 is
// an error: an overflow must never turn a far date into a past one.
func NumericDate(claim any) (time.Time, error) {
	n, ok := claim.(json.Number)
	if !ok {
		return time.Time{}, errors.New("not a number")
	}
	if sec, err := strconv.ParseInt(string(n), 10, 64); err == nil {
		return dateOf(float64(sec), sec, 0)
	}
	f, err := strconv.ParseFloat(string(n), 64)
	if err != nil {
		return time.Time{}, errors.New("not a date")
	}
	sec, frac := math.Modf(f)
	return dateOf(f, int64(sec), int64(frac*1e9))
}

// dateOf judges the float, because the conversion of a float out of range to int64 is undefined.
func dateOf(f float64, sec, nsec int64) (time.Time, error) {
	if !(f > 0 && f < maxNumericDate) {
		return time.Time{}, errors.New("not a date")
	}
	return time.Unix(sec, nsec).UTC(), nil
}
