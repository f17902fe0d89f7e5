package oauth

import "reflect"

const (
	boxSize = 16
	// boxMin values are the fewest for which a box is less than an allocation each.
	boxMin = 3
)

// box makes interfaces of values of one type with one allocation for up to boxSize of them, where each would take its
// own: an element of an array that is itself behind an interface needs no copy. A token has a dozen such claims, which
// were half of what verifying it allocated. Values are in the map only after flush.
type box[T any] struct {
	names  [boxSize]string
	values [boxSize]T
	n      int
}

func (b *box[T]) put(m map[string]any, name string, v T) {
	if b.n == boxSize {
		b.flush(m)
	}
	b.names[b.n], b.values[b.n] = name, v
	b.n++
}

func (b *box[T]) flush(m map[string]any) {
	if b.n < boxMin {
		for i, name := range b.names[:b.n] {
			m[name] = b.values[i]
		}
	} else {
		boxed := reflect.ValueOf(b.values)
		for i, name := range b.names[:b.n] {
			m[name] = boxed.Index(i).Interface()
		}
	}
	b.n = 0
}
