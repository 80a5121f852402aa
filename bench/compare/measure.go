package main

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// opFunc does the operation once for item i and checks what comes back, so that a wrong
// value fails the run and no compiler can leave the work out.
type opFunc func(i int) error

var (
	errWrongValue = errors.New("wrong value")
	errMissing    = errors.New("no value where one was stored")
	errMisses     = errors.New("misses where everything should hit")
)

// load says how a loop is run.
type load struct {
	name    string
	workers int
	procs   int // GOMAXPROCS; 0 leaves it alone
	grain   int // operations a worker takes at once
	timed   int // every how many operations one is timed; 0 for none
}

// loop does ops operations, the items taken from seq, on the workers of l. The workers
// start and end together: none runs alone while another has not begun or is done.
func (l load) loop(op opFunc, seq []uint32, ops int) (sample, error) {
	if l.procs > 0 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(l.procs))
	}
	var (
		next        atomic.Int64
		ready, done sync.WaitGroup
		start       = make(chan struct{})
		errs        = make([]error, l.workers)
		latencies   = make([][]time.Duration, l.workers)
	)
	for w := range l.workers {
		ready.Add(1)
		if l.timed > 0 {
			latencies[w] = make([]time.Duration, 0, 2*ops/l.timed/l.workers+16)
		}
		done.Go(func() {
			ready.Done()
			<-start
			latencies[w], errs[w] = l.work(op, seq, &next, ops, latencies[w])
		})
	}
	ready.Wait()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	close(start)
	done.Wait()
	took := time.Since(began)
	runtime.ReadMemStats(&after)

	s := sample{
		ns:     float64(took) / float64(ops),
		allocs: float64(after.Mallocs-before.Mallocs) / float64(ops),
		bytes:  float64(after.TotalAlloc-before.TotalAlloc) / float64(ops),
	}
	for _, lat := range latencies {
		s.latencies = append(s.latencies, lat...)
	}
	return s, errors.Join(errs...)
}

func (l load) work(op opFunc, seq []uint32, next *atomic.Int64, ops int, lat []time.Duration) ([]time.Duration, error) {
	for {
		end := int(next.Add(int64(l.grain)))
		begin := end - l.grain
		if begin >= ops {
			return lat, nil
		}
		for n := begin; n < min(end, ops); n++ {
			i := int(seq[n%len(seq)])
			if l.timed == 0 || n%l.timed != 0 {
				if err := op(i); err != nil {
					return lat, err
				}
				continue
			}
			began := time.Now()
			if err := op(i); err != nil {
				return lat, err
			}
			lat = append(lat, time.Since(began))
		}
	}
}

// calibrate finds how many operations take about d.
func (l load) calibrate(op opFunc, seq []uint32, d time.Duration) (int, error) {
	ops := l.workers * l.grain
	for {
		s, err := l.loop(op, seq, ops)
		if err != nil {
			return 0, err
		}
		took := s.ns * float64(ops)
		grow := float64(d) / max(took, 1)
		if grow < 4 {
			return max(l.workers, int(float64(ops)*grow)), nil
		}
		ops *= int(min(grow, 50)) // a first loop is slow; to believe it only costs a further one
	}
}

// countAllocs counts what one operation allocates, on one core, as testing.AllocsPerRun
// does. Other goroutines of the process can only add, so the least of three loops is it,
// each of about d.
func countAllocs(op opFunc, seq []uint32, d time.Duration) (allocs, bytes float64, err error) {
	one := load{workers: 1, procs: 1, grain: 100}
	ops, err := one.calibrate(op, seq, d)
	if err != nil {
		return 0, 0, err
	}
	for i := range 3 {
		s, err := one.loop(op, seq, ops)
		if err != nil {
			return 0, 0, err
		}
		if i == 0 || s.allocs < allocs {
			allocs, bytes = s.allocs, s.bytes
		}
	}
	return allocs, bytes, nil
}
