package env

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tiercache/tiercache"
	"github.com/tiercache/tiercache/internal/redistest"
	"github.com/tiercache/tiercache/l1"
	"github.com/tiercache/tiercache/l2"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, environ ...string) *tiercache.Engine {
	t.Helper()
	e, err := NewFrom(t.Context(), environ, tiercache.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close(context.Background())) })
	return e
}

func TestEngineFromVariables(t *testing.T) {
	redis := redistest.Start(t)
	e := open(t,
		"TIERCACHE_REDIS_URL="+redis.URL(),
		"TIERCACHE_POLICY_TTL=90s",
		"TIERCACHE_POLICY_JITTER=-1",
		"TIERCACHE_POLICY_STALE_FOR=",
		"TIERCACHE_L1_MAX_BYTES=4MiB",
		"TIERCACHE_L2_PREFIX=shop",
		"TIERCACHE_L2_CALL_TIMEOUT=250ms",
		"TIERCACHE_L2_BUDGET=300ms",
		"TIERCACHE_CODEC=msgpack",
		"TIERCACHE_COMPRESSION=zstd",
		"TIERCACHE_KEY_RING=2:AAECAwQFBgcICQoLDA0ODw==,1:AAECAwQFBgcICQoLDA0OAA==",
		"HOME=/",
	)
	require.EqualValues(t, 4<<20, e.Stats().L1.MaxBytes)
	c, err := tiercache.NewCache[[]int](e, "n", tiercache.Policy{})
	require.NoError(t, err)
	require.NoError(t, c.Set(t.Context(), "k", []int{1, 2}))
	r, err := c.Lookup(t.Context(), "k", nil)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, r.Value)
	require.InDelta(t, 90, r.TTL.Seconds(), 5)
	client := redis.Client(t)
	keys, err := client.Keys(t.Context(), "shop:0:1:v:*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 1)
}

func TestL1Only(t *testing.T) {
	e := open(t)
	require.Equal(t, tiercache.Off, e.Health(t.Context()).L2.Status)
}

func TestL2Only(t *testing.T) {
	e := open(t, "TIERCACHE_REDIS_URL="+redistest.Start(t).URL(), "TIERCACHE_L1=off")
	h := e.Health(t.Context())
	require.Equal(t, tiercache.Off, h.L1.Status)
	require.Equal(t, tiercache.Healthy, h.L2.Status)
}

func TestErrorsNameTheVariable(t *testing.T) {
	_, err := NewFrom(t.Context(), []string{
		"TIERCACHE_POLICY_TTL=soon", "TIERCACHE_POLICY_BETA=x", "TIERCACHE_L1_MAX_BYTES=lots", "TIERCACHE_L2_DB=one",
		"TIERCACHE_CODEC=gob", "TIERCACHE_COMPRESSION=lz4", "TIERCACHE_L1=maybe", "TIERCACHE_KEY_RING=1:secret!",
		"TIERCACHE_REDIS_ULR=redis://user:hunter2@h",
	}, tiercache.Config{})
	for _, part := range []string{
		`TIERCACHE_POLICY_TTL: "soon" is no duration`, "TIERCACHE_POLICY_BETA:", "TIERCACHE_L1_MAX_BYTES:", "TIERCACHE_L2_DB:",
		`TIERCACHE_CODEC: "gob" is not known; possible are json, msgpack`, "TIERCACHE_COMPRESSION:", "TIERCACHE_L1:",
		"TIERCACHE_KEY_RING: key 1 is not of the form", "TIERCACHE_REDIS_ULR: means nothing",
	} {
		require.ErrorContains(t, err, part)
	}
	require.NotContains(t, err.Error(), "hunter2")
	require.NotContains(t, err.Error(), "secret!")

	for environ, part := range map[string]string{
		"TIERCACHE_L1_MAX_BYTES=-5":                    "TIERCACHE_L1_: l1: Config.MaxBytes",
		"TIERCACHE_REDIS_URL=http://user:hunter2@host": "TIERCACHE_REDIS_URL: ",
		"TIERCACHE_POLICY_TTL=-5s":                     "Config.Policy.TTL",
		"TIERCACHE_L1=off":                             "TIERCACHE_REDIS_URL: is not set",
	} {
		_, err := NewFrom(t.Context(), []string{environ}, tiercache.Config{})
		require.ErrorContains(t, err, part, environ)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestVariableNames(t *testing.T) {
	for field, want := range map[string]string{
		"TTL": "TTL", "MaxBytes": "MAX_BYTES", "L1TTL": "L1_TTL", "L2Budget": "L2_BUDGET", "DB": "DB",
		"AbsentTTL": "ABSENT_TTL", "CallTimeout": "CALL_TIMEOUT",
	} {
		require.Equal(t, want, variableName(field), field)
	}
}

// Every field that a text can stand for has a variable, and no two share one.
func TestEveryPlainFieldHasItsVariable(t *testing.T) {
	seen := make(map[string]bool)
	for part, v := range map[string]any{"": tiercache.Config{}, "POLICY_": tiercache.Policy{}, "L1_": l1.Config{}, "L2_": l2.Config{}} {
		for f := range reflect.TypeOf(v).Fields() {
			if plain(f.Type) {
				name := part + variableName(f.Name)
				require.False(t, seen[name], name)
				seen[name] = true
			}
		}
	}
	require.Contains(t, seen, "POLICY_SOFT_TIMEOUT")
	require.Contains(t, seen, "L2_MAX_FRAME_BYTES")
	require.Greater(t, len(seen), 20)
}

func TestStartsWhileRedisIsDown(t *testing.T) {
	redis := redistest.Start(t)
	redis.Kill()
	e := open(t, "TIERCACHE_REDIS_URL="+redis.URL(), "TIERCACHE_POLICY_TTL=1m")
	c, err := tiercache.NewCache[string](e, "s", tiercache.Policy{})
	require.NoError(t, err)
	begun := time.Now()
	v, err := c.GetOrCompute(t.Context(), "k", func(context.Context, string) (string, error) { return "v", nil })
	require.NoError(t, err)
	require.Equal(t, "v", v)
	t.Logf("a miss with Redis down took %v", time.Since(begun))
}
