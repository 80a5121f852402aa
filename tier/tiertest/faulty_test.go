package tiertest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiercache/tiercache/tier"
)

var errDown = errors.New("down")

// callAll makes one call of every Op on k and returns its error by Op.
func callAll(ctx context.Context, f *Faulty, k tier.Key) map[Op]error {
	_, err := f.Get(ctx, k)
	return map[Op]error{
		OpGet:     err,
		OpSet:     f.Set(ctx, k, []byte("frame"), time.Hour),
		OpGetMany: f.GetMany(ctx, []tier.Key{k})[0].Err,
		OpSetMany: f.SetMany(ctx, []tier.Item{{Key: k, Frame: []byte("frame"), TTL: time.Hour}})[0],
		OpExpire:  f.Expire(ctx, time.Now(), k),
		OpPing:    f.Ping(ctx),
		OpDelete:  f.Delete(ctx, k),
	}
}

func TestFaultyFailNext(t *testing.T) {
	t.Parallel()
	k := tier.NewKey("space", "id")
	for _, op := range AllOps() {
		f := NewFaulty(NewMemory(0), 1)
		require.NoError(t, f.Set(t.Context(), k, []byte("frame"), time.Hour))
		f.FailNext(op, 2, errDown)
		for call := range 3 {
			for got, err := range callAll(t.Context(), f, k) {
				if got == op && call < 2 {
					require.ErrorIs(t, err, errDown, "%v, call %d", got, call)
				} else if !errors.Is(err, tier.ErrMiss) {
					require.NoError(t, err, "%v while %v fails, call %d", got, op, call)
				}
			}
		}
		assert.Equal(t, 2, f.Faults(op), op)
		for _, other := range AllOps() {
			calls := 3
			if other == OpSet {
				calls = 4
			}
			assert.Equal(t, calls, f.Calls(other), other)
			if other != op {
				assert.Zero(t, f.Faults(other), other)
			}
		}
	}
}

func TestFaultyKeepsCallsFromTheTier(t *testing.T) {
	t.Parallel()
	k := tier.NewKey("space", "id")
	for _, fault := range []Fault{{Err: errDown}, {Lost: true}} {
		inner := NewFaulty(NewMemory(0), 1) // counts what gets through
		f := NewFaulty(inner, 1)
		assert.Same(t, inner, f.Unwrap())
		f.Always(fault)
		for op, err := range callAll(t.Context(), f, k) {
			switch {
			case fault.Err != nil:
				require.ErrorIs(t, err, errDown, op)
			case op == OpGet || op == OpGetMany:
				require.ErrorIs(t, err, tier.ErrMiss, op)
			default:
				require.NoError(t, err, op)
			}
			assert.Zero(t, inner.Calls(op), op)
		}
		f.Heal()
		callAll(t.Context(), f, k)
		for _, op := range AllOps() {
			assert.Equal(t, 1, inner.Calls(op), op)
		}
	}
}

func TestFaultyLosesAnswers(t *testing.T) {
	t.Parallel()
	m, k := NewMemory(0), tier.NewKey("space", "id")
	f := NewFaulty(m, 1)
	f.Always(Fault{Err: errDown, Applied: true})
	require.ErrorIs(t, f.Set(t.Context(), k, []byte("frame"), time.Hour), errDown)
	raw, _ := m.Raw(k)
	assert.Equal(t, "frame", string(raw))
	frame, err := f.Get(t.Context(), k)
	require.ErrorIs(t, err, errDown)
	assert.Nil(t, frame)
	require.ErrorIs(t, f.Delete(t.Context(), k), errDown)
	assert.Zero(t, m.Len())
	require.ErrorIs(t, f.SetMany(t.Context(), []tier.Item{{Key: k, Frame: []byte("2"), TTL: time.Hour}})[0], errDown)
	assert.Equal(t, 1, m.Len())
}

func TestFaultyCorrupts(t *testing.T) {
	t.Parallel()
	m, k := NewMemory(0), tier.NewKey("space", "id")
	whole := tier.AppendEnvelope(nil, sampleEnvelope(k, time.Now()))
	m.Put(k, whole, time.Hour)
	f := NewFaulty(m, 1)
	f.Always(Fault{Corrupt: true})
	for range 1000 {
		frame, err := f.Get(t.Context(), k)
		require.NoError(t, err)
		_, err = tier.ParseEnvelope(frame)
		require.ErrorIs(t, err, tier.ErrCorrupt)
		_, err = tier.ParseEnvelope(f.GetMany(t.Context(), []tier.Key{k})[0].Frame)
		require.ErrorIs(t, err, tier.ErrCorrupt)
	}
	raw, _ := m.Raw(k)
	assert.Equal(t, whole, raw, "what is stored stays as it is")

	m.Put(k, []byte("x"), time.Hour)
	frame, err := f.Get(t.Context(), k)
	require.NoError(t, err)
	assert.NotEqual(t, "x", string(frame))
	m.Put(k, nil, time.Hour)
	_, err = f.Get(t.Context(), k)
	require.NoError(t, err, "nothing to flip")
}

func TestFaultyOnlySomeKeys(t *testing.T) {
	t.Parallel()
	m := NewMemory(0)
	f := NewFaulty(m, 1)
	space := tier.NewSpace("space")
	keys := []tier.Key{space.Key("a"), space.Key("bad1"), space.Key("b"), space.Key("bad2")}
	var items []tier.Item
	for _, k := range keys {
		items = append(items, tier.Item{Key: k, Frame: []byte(k.ID), TTL: time.Hour})
	}
	f.Always(Fault{Err: errDown, Only: func(k tier.Key) bool { return strings.HasPrefix(k.ID, "bad") }})

	errs := f.SetMany(t.Context(), items)
	for i, k := range keys {
		_, stored := m.Raw(k)
		bad := i%2 == 1
		assert.Equal(t, bad, errors.Is(errs[i], errDown), k.ID)
		assert.Equal(t, !bad, stored, k.ID)
		m.Put(k, []byte(k.ID), time.Hour)
	}
	for i, reply := range f.GetMany(t.Context(), keys) {
		if i%2 == 1 {
			require.ErrorIs(t, reply.Err, errDown)
		} else {
			require.NoError(t, reply.Err)
			assert.Equal(t, keys[i].ID, string(reply.Frame))
		}
	}
	require.ErrorIs(t, f.Delete(t.Context(), keys...), errDown)
	assert.Equal(t, 2, m.Len(), "the others are deleted")
	require.NoError(t, f.Delete(t.Context(), keys[0]))
	require.NoError(t, f.Ping(t.Context()), "Ping has no key")

	f.Next(OpGet, 1, Fault{Lost: true, Only: func(k tier.Key) bool { return k.ID == "bad1" }})
	_, err := f.Get(t.Context(), keys[3])
	require.ErrorIs(t, err, errDown, "waits for its key")
	_, err = f.Get(t.Context(), keys[1])
	require.ErrorIs(t, err, tier.ErrMiss)
}

func TestFaultyDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, k := NewMemory(0), tier.NewKey("space", "id")
		f := NewFaulty(m, 1)
		f.Always(Fault{Delay: time.Second})
		start := time.Now()
		for op, err := range callAll(t.Context(), f, k) {
			if op != OpGet {
				require.NoError(t, err, op)
			}
		}
		assert.Equal(t, 7*time.Second, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start = time.Now()
		require.ErrorIs(t, f.Set(ctx, k, []byte("frame"), time.Hour), context.DeadlineExceeded)
		assert.Equal(t, time.Millisecond, time.Since(start))
		assert.Zero(t, m.Len())
	})
}

func TestFaultyHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, k := NewMemory(0), tier.NewKey("space", "id")
		f := NewFaulty(m, 1)
		f.Next(OpSet, 1, Fault{Hang: true})
		f.Always(Fault{Hang: true, Err: errDown}, OpDelete)
		set, deleted := make(chan error, 1), make(chan error, 1)
		go func() { set <- f.Set(t.Context(), k, []byte("frame"), time.Hour) }()
		go func() { deleted <- f.Delete(t.Context(), k) }()
		synctest.Wait()
		assert.Equal(t, 2, f.Hanging())
		assert.Zero(t, m.Len())
		f.Release()
		require.NoError(t, <-set)
		require.ErrorIs(t, <-deleted, errDown)
		assert.Equal(t, 1, m.Len())
		synctest.Wait()
		assert.Zero(t, f.Hanging())

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, f.Delete(ctx, k), context.DeadlineExceeded, "Release lets go of those that hang, not of later ones")
		assert.Equal(t, time.Hour, time.Since(start))

		go func() { deleted <- f.Delete(t.Context(), k) }()
		synctest.Wait()
		f.Heal()
		require.ErrorIs(t, <-deleted, errDown, "the rest of its fault still holds")
		require.NoError(t, f.Delete(t.Context(), k))
		assert.Zero(t, m.Len())
	})
}

func TestFaultyRates(t *testing.T) {
	t.Parallel()
	const calls = 2000
	k := tier.NewKey("space", "id")
	run := func(seed uint64, disturb bool) (fates string) {
		f := NewFaulty(NewMemory(0), seed)
		f.Always(Fault{Rate: 0.2, Err: errDown}, OpSet, OpGet)
		f.Always(Fault{Rate: 0.1, Lost: true}, OpSet)
		for range calls {
			if disturb {
				_, _ = f.Get(t.Context(), k)
			}
			switch err := f.Set(t.Context(), k, []byte("frame"), time.Hour); {
			case err != nil:
				fates += "e"
			default:
				fates += "-"
			}
		}
		assert.InDelta(t, 0.28*calls, f.Faults(OpSet), 0.05*calls)
		assert.InDelta(t, 0.2*calls, strings.Count(fates, "e"), 0.05*calls)
		return fates
	}
	first := run(1, false)
	assert.Equal(t, first, run(1, false))
	assert.Equal(t, first, run(1, true), "calls of another Op change nothing")
	assert.NotEqual(t, first, run(2, false))
}

// TestFaultyOnPlainRemote looks at the abilities that Faulty makes up.
func TestFaultyOnPlainRemote(t *testing.T) {
	t.Parallel()
	m, k := NewMemory(0), tier.NewKey("space", "id")
	f := NewFaulty(struct{ tier.Remote }{m}, 1)
	require.NoError(t, f.SetMany(t.Context(), []tier.Item{{Key: k, Frame: []byte("frame"), TTL: time.Hour}})[0])
	assert.Equal(t, "frame", string(f.GetMany(t.Context(), []tier.Key{k})[0].Frame))
	require.NoError(t, f.Ping(t.Context()))
	require.NoError(t, f.Expire(t.Context(), time.Now(), k))
	assert.Zero(t, m.Len(), "Expire is Delete where the tier cannot do better")
}

func TestOpString(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "GetMany", OpGetMany.String())
	assert.Equal(t, "unknown", numOps.String())
	assert.Len(t, AllOps(), int(numOps))
}
