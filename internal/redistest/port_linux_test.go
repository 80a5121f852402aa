package redistest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeldPortIsNotGivenAway(t *testing.T) {
	t.Parallel()
	port, release, err := reservePort(true)
	require.NoError(t, err)
	_, err = hold(port)
	require.Error(t, err)
	_, err = hold(port + busOffset)
	require.Error(t, err)
	release()
	again, err := hold(port)
	require.NoError(t, err)
	again()
}

// A killed server keeps its port for Restart.
func TestKilledServerHoldsItsPort(t *testing.T) {
	t.Parallel()
	srv := Start(t)
	_, err := hold(srv.port)
	require.Error(t, err)
	require.NoError(t, srv.Kill())
	_, err = hold(srv.port)
	require.Error(t, err)
}
