package backchannel_test

import (
	"testing"

	"github.com/go-authd/authd/internal/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
