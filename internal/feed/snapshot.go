package feed

import (
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// snapshot is PostgreSQL's pg_snapshot: which transactions it sees.
type snapshot struct {
	text       string
	xmin, xmax uint64
	running    []uint64 // between the two
}

var errCursor = errors.New("no cursor of this feed")

// maxCursor bounds what is parsed, in bytes.
const maxCursor = 8 << 10

// parseSnapshot reads "xmin:xmax:xid,xid,…".
func parseSnapshot(text string) (snapshot, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return snapshot{}, errCursor
	}
	s := snapshot{text: text}
	var errMin, errMax error
	s.xmin, errMin = strconv.ParseUint(parts[0], 10, 63)
	s.xmax, errMax = strconv.ParseUint(parts[1], 10, 63)
	if errMin != nil || errMax != nil || s.xmin == 0 || s.xmin > s.xmax {
		return snapshot{}, errCursor
	}
	if parts[2] == "" {
		return s, nil
	}
	for field := range strings.SplitSeq(parts[2], ",") {
		xid, err := strconv.ParseUint(field, 10, 63)
		if err != nil || xid < s.xmin || xid >= s.xmax {
			return snapshot{}, errCursor
		}
		s.running = append(s.running, xid)
	}
	return s, nil
}

// sees is pg_visible_in_snapshot.
func (s *snapshot) sees(xid uint64) bool {
	return xid < s.xmin || xid < s.xmax && !slices.Contains(s.running, xid)
}

// encodeCursor puts the database's origin beside the snapshot: the numbers of another
// database, or of another branch of its history, mean nothing here.
func encodeCursor(origin, snapshot string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(origin + "~" + snapshot))
}

func decodeCursor(cursor string) (origin string, s snapshot, err error) {
	if len(cursor) > maxCursor {
		return "", s, errCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return "", s, errCursor
	}
	origin, text, found := strings.Cut(string(b), "~")
	if !found {
		return "", s, errCursor
	}
	s, err = parseSnapshot(text)
	return origin, s, err
}
