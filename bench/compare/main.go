// Command compare puts the same questions to tiercache and to other caches, in one process
// and in turns, and prints how they did. See the README of the bench module.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	suite, systems, redisURL, cpuProfile string
	short, json, list                    bool
	rounds                               int
	seed                                 uint64
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.suite, "suite", "all", "comma-separated `names` of suites, or all")
	flags.StringVar(&o.systems, "systems", "", "run only systems whose name contains one of these comma-separated `words`; baselines always run")
	flags.IntVar(&o.rounds, "rounds", 0, "how often every system has its turn (default 7, or 3 with -short)")
	flags.BoolVar(&o.short, "short", false, "shorter turns and fewer rounds: for a look, not for a decision")
	flags.BoolVar(&o.json, "json", false, "print one JSON object per row")
	flags.BoolVar(&o.list, "list", false, "print the suites, their cases and systems, and exit")
	flags.StringVar(&o.redisURL, "redis", "", "`URL` of the Redis to use; by default an empty one is started (keys with the prefix "+rootPrefix+" are deleted)")
	flags.Uint64Var(&o.seed, "seed", 1, "seed of the keys and of the order of turns")
	flags.StringVar(&o.cpuProfile, "cpuprofile", "", "write a CPU profile to this `file`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.rounds < 0 {
		return o, errors.New("-rounds must be positive")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	cfg := newConfig(o)
	chosen, err := choose(cfg, o.suite, words(o.systems))
	if err != nil {
		return err
	}
	if o.list {
		printList(stdout, chosen)
		return nil
	}
	if o.cpuProfile != "" {
		stop, err := profile(o.cpuProfile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	return runSuites(ctx, cfg, chosen, o, stdout, stderr)
}

func runSuites(ctx context.Context, cfg config, chosen []suite, o options, stdout, stderr io.Writer) (err error) {
	e := &env{config: cfg, progress: progress(stderr)}
	for _, s := range chosen {
		if s.redis && e.store == nil {
			if e.store, err = openStore(ctx, o.redisURL); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, e.store.close()) }()
		}
	}
	// Rows go to stdout alone, so that -json can be piped.
	about := stdout
	if o.json {
		about = stderr
	}
	fmt.Fprintln(about, describeMachine(e.store, cfg))
	for _, s := range chosen {
		rows, err := s.run(ctx, e)
		if err != nil {
			return fmt.Errorf("suite %s: %w", s.name, err)
		}
		if o.json {
			err = writeJSON(stdout, rows)
		} else {
			err = writeTables(stdout, s, rows)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// progress is where it says what is being measured: a terminal, or nowhere.
func progress(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return w
		}
	}
	return io.Discard
}

func words(list string) []string {
	return strings.FieldsFunc(strings.ToLower(list), func(r rune) bool { return r == ',' || r == ' ' })
}

func profile(name string) (stop func() error, err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}
