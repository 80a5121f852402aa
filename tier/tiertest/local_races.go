package tiertest

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/tiercache/tiercache/tier"
)

func localOthersReadYourWrite(t tb, open openLocal) {
	const pairs, rounds = 4, 1000
	l := open(roomy)
	var wg sync.WaitGroup
	for p := range pairs {
		space := tier.NewSpace("pair" + strconv.Itoa(p))
		written := make(chan tier.Key) // unbuffered: the reader runs at once
		wg.Go(func() {
			defer close(written)
			for i := range rounds {
				k := space.Key(strconv.Itoa(i))
				l.Set(entry(k, 1, smallEntry))
				written <- k
			}
		})
		wg.Go(func() {
			for k := range written {
				want(t, l, k, 1, "by another goroutine, right after Set")
			}
		})
	}
	wg.Wait()
}

// localNeverGoesBack has one writer per key and many readers: what a reader gets must be
// at least as new as the latest Set that had returned when its Get began.
func localNeverGoesBack(t tb, open openLocal) {
	const keys, rounds, readers = 4, 2000, 4
	l := open(roomy)
	space := tier.NewSpace("forward")
	var returned [keys]atomic.Uint64
	var writers, reading, rest sync.WaitGroup
	done := make(chan struct{})
	reading.Add(readers)
	for range readers {
		rest.Go(func() {
			started := sync.OnceFunc(reading.Done)
			for i := 0; !ended(done); i = (i + 1) % keys {
				floor := returned[i].Load()
				if got := stampOf(t, l, space.Key(strconv.Itoa(i))); got < floor {
					t.Errorf("Get: stamp %d (0 is nothing) when Set of %d had returned", got, floor)
					break
				}
				started()
			}
			started()
		})
	}
	reading.Wait() // or the writers would be done before anybody looks
	for i := range keys {
		k := space.Key(strconv.Itoa(i))
		writers.Go(func() {
			for stamp := uint64(1); stamp <= rounds; stamp++ {
				l.Set(entry(k, stamp, smallEntry))
				returned[i].Store(stamp)
				if stamp%100 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	writers.Wait()
	close(done)
	rest.Wait()
}

// localDeleteIsFinal sets in bursts, deletes and looks, while other goroutines read the
// same keys and fill the tier's queues with others.
func localDeleteIsFinal(t tb, open openLocal) {
	const keys, rounds, burst, readers, noise = 16, 300, 4, 3, 2
	l := open(roomy)
	space, noisy := tier.NewSpace("final"), tier.NewSpace("noise")
	var deleted [keys]atomic.Uint64 // the latest stamp whose deletion has returned
	var rest sync.WaitGroup
	done := make(chan struct{})
	for range readers {
		rest.Go(func() {
			for i := 0; !ended(done); i = (i + 1) % keys {
				floor := deleted[i].Load()
				if got := stampOf(t, l, space.Key(strconv.Itoa(i))); got != 0 && got <= floor {
					t.Errorf("Get: stamp %d when everything up to %d had been deleted", got, floor)
					return
				}
			}
		})
	}
	for n := range noise {
		rest.Go(func() {
			for i := n; !ended(done); i += noise {
				l.Set(entry(noisy.Key(strconv.Itoa(i%20_000)), 1, smallEntry))
				runtime.Gosched() // leave a small machine's processors to the others
			}
		})
	}
	stamp := uint64(0)
	gone := map[tier.Key]uint64{}
	for range rounds {
		for i := range keys {
			k := space.Key(strconv.Itoa(i))
			for range burst {
				stamp++
				l.Set(entry(k, stamp, smallEntry))
			}
			l.Delete(k)
			deleted[i].Store(stamp)
			want(t, l, k, 0, "right after Delete")
			gone[k] = 0
		}
	}
	close(done)
	rest.Wait()
	lasts(t, l, gone)
}

func ended(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
