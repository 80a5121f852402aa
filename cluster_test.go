package tiercache_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/internal/redistest"
)

func TestBehaviourOnACluster(t *testing.T) {
	noLeaks(t)
	cluster := redistest.StartCluster(t)
	behave(t, setup{url: cluster.URL()})

	t.Run("values are spread", func(t *testing.T) {
		for _, master := range cluster.Masters() {
			n, err := master.Client(t).DBSize(t.Context()).Result()
			require.NoError(t, err)
			require.Greater(t, n, int64(100), "of more than a thousand values")
		}
	})
	t.Run("a master dies", func(t *testing.T) {
		p := newProcess(t, setup{url: cluster.URL(), withoutL1: true})
		require.NoError(t, cluster.Masters()[0].Kill())
		askAll(t, p)
		require.NoError(t, cluster.WaitReady(t.Context()))
		usedAgain(t, p)
	})
}

func TestBehaviourUnderSentinel(t *testing.T) {
	noLeaks(t)
	sentinel := redistest.StartSentinel(t)
	behave(t, setup{url: sentinel.URL()})

	t.Run("the master dies", func(t *testing.T) {
		p := newProcess(t, setup{url: sentinel.URL(), withoutL1: true})
		require.NoError(t, sentinel.Master().Kill())
		askAll(t, p)
		require.NoError(t, sentinel.WaitReady(t.Context()))
		usedAgain(t, p)
	})
}

// askAll asks for keys of all nodes once, while one of these is missing.
func askAll(t *testing.T, p *process) {
	t.Helper()
	for i := range 20 {
		key := fmt.Sprint("key ", i)
		begun := time.Now()
		got, err := p.ask(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, valueOf(key), got)
		require.Less(t, time.Since(begun), outageBound)
	}
}

// usedAgain waits until the values of all keys come from L2.
func usedAgain(t *testing.T, p *process) {
	t.Helper()
	for i := range 20 {
		eventually(t, "L2 is not used again", func() bool {
			before := p.engine.Stats().Total.L2Hits
			_, err := p.ask(t.Context(), fmt.Sprint("key ", i))
			require.NoError(t, err)
			p.settle(t)
			return p.engine.Stats().Total.L2Hits > before
		})
	}
}
