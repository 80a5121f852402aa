package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// options are the flags and what the environment says.
type options struct {
	addr     string
	goroot   string
	l2       string
	redisURL string
	ttl      time.Duration

	load     bool
	duration time.Duration
	exits    bool // after the load, because a duration was asked for
	workers  int
	seed     uint64
}

const (
	defaultDuration = 20 * time.Second

	redisURLVariable = "TIERCACHE_REDIS_URL"
	durationVariable = "DURATION"
)

// What -l2 can be.
const (
	auto     = "auto"
	named    = "url"
	started  = "redis-server"
	inMemory = "miniredis"
)

var l2Choices = []string{auto, named, started, inMemory}

func parseOptions(args []string, getenv func(string) string, stderr io.Writer) (options, error) {
	o := options{redisURL: getenv(redisURLVariable)}
	f := flag.NewFlagSet("godocs", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.addr, "addr", "127.0.0.1:0", "`host:port` to listen on; port 0 takes a free one")
	f.StringVar(&o.goroot, "goroot", "", "`directory` of the Go to document (default: what go env GOROOT says)")
	f.StringVar(&o.l2, "l2", auto, "second tier: "+strings.Join(l2Choices, ", ")+
		"; auto takes the server that "+redisURLVariable+" names, else starts the redis-server on the PATH, else runs miniredis in the process")
	f.DurationVar(&o.ttl, "ttl", 2*time.Second, "how long a page is fresh; short, so that the demo has something to refresh")
	f.BoolVar(&o.load, "load", false, "send a crowd to the server, without and with the cache, and print a table and a line of JSON")
	f.DurationVar(&o.duration, "duration", 0,
		"with -load: how long, a third of it without the cache, and exit then (default: "+durationVariable+
			" from the environment, else "+defaultDuration.String()+" and go on serving)")
	f.IntVar(&o.workers, "workers", 16, "with -load: how many requests are in flight")
	f.Uint64Var(&o.seed, "seed", 1, "with -load: the crowd; the same seed asks for the same pages")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	given := map[string]bool{}
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	err := o.settleDuration(given["duration"], getenv(durationVariable))
	return o, errors.Join(err, o.validate(f.Args()))
}

func (o *options) settleDuration(given bool, variable string) error {
	switch {
	case given:
		o.exits = true
	case variable != "":
		d, err := time.ParseDuration(variable)
		if err != nil {
			return fmt.Errorf("%s: %q is not a duration like 10s", durationVariable, variable)
		}
		o.duration, o.exits = d, true
	default:
		o.duration = defaultDuration
	}
	return nil
}

func (o *options) validate(rest []string) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(rest) > 0 {
		bad("unexpected argument %q; everything is set by flags, see -help", rest[0])
	}
	if !slices.Contains(l2Choices, o.l2) {
		bad("-l2: %q is none of %s", o.l2, strings.Join(l2Choices, ", "))
	}
	if o.l2 == named && o.redisURL == "" {
		bad("-l2 url: set %s to the URL of the server", redisURLVariable)
	}
	if o.ttl < 100*time.Millisecond {
		bad("-ttl: %v is too short, at least 100ms is needed", o.ttl)
	}
	if o.workers < 1 || o.workers > 1000 {
		bad("-workers: %d is not between 1 and 1000", o.workers)
	}
	if o.load && o.duration < time.Second {
		bad("duration: %v is too short for two phases, at least 1s is needed", o.duration)
	}
	return errors.Join(errs...)
}
