package redistest_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/internal/redistest"
)

func TestServerDiesWithTheTestBinary(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), orphanEnv+"=1", "TMPDIR="+t.TempDir())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	addr := strings.TrimSpace(string(out))
	require.NotEmpty(t, addr)
	eventually(t, 5*time.Second, func(context.Context) bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, "nobody listens any more")
}

// The thread on which a server was launched may end while the program goes on.
func TestServerSurvivesTheThreadOfItsLaunch(t *testing.T) {
	t.Parallel()
	type launched struct {
		srv *redistest.Server
		tid int
		err error
	}
	launch := func() launched {
		ch := make(chan launched)
		go func() {
			runtime.LockOSThread() // never unlocked, so the thread ends with the goroutine
			l := launched{tid: syscall.Gettid()}
			if l.tid != os.Getpid() {
				l.srv, l.err = redistest.Launch(t.Context(), redistest.Options{})
			}
			ch <- l
		}()
		return <-ch
	}
	l := launch()
	if l.tid == os.Getpid() {
		l = launch() // the main thread never ends, but is not used a second time
	}
	require.NoError(t, l.err)
	defer func() { require.NoError(t, l.srv.Close()) }()
	task := filepath.Join("/proc/self/task", strconv.Itoa(l.tid))
	eventually(t, 5*time.Second, func(context.Context) bool {
		_, err := os.Stat(task)
		return os.IsNotExist(err)
	}, "the thread ends")
	require.NoError(t, l.srv.Client(t).Ping(t.Context()).Err())
}
