// Command godocs serves the documentation of the standard library of the installed Go from
// its source, through a two-tier cache. With -load it also sends a crowd to itself, first
// without and then with the cache, and prints what the cache did for it.
//
//	go run ./godocs            open the printed address in a browser
//	go run ./godocs -load      the same under load, with a table at the end
//
// What uses the cache is in docs.go, what builds it in engine.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tiercache/tiercache/examples/godocs/internal/stdlib"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], outside{getenv: os.Getenv, stdout: console{os.Stdout}, stderr: os.Stderr, open: stdlib.Open})
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "godocs:", err)
		os.Exit(1)
	}
}

// outside is what the program is connected to.
type outside struct {
	getenv func(string) string
	stdout console
	stderr io.Writer
	open   func(ctx context.Context, goroot string) (*stdlib.Library, error)
}

// run is the whole program. What it starts it stops, in the opposite order, whichever way
// it is left.
func run(ctx context.Context, args []string, out outside) (err error) {
	stdout := out.stdout
	o, err := parseOptions(args, out.getenv, out.stderr)
	if err != nil {
		return err
	}
	library, err := openLibrary(ctx, o, out)
	if err != nil {
		return err
	}
	second, err := openL2(ctx, o, library.Version(), stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, second.stop()) }()
	engine, err := newEngine(second)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, within(ctx, closeTimeout, engine.Close)) }()
	d, err := newDocs(library, engine, o.ttl)
	if err != nil {
		return err
	}

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.addr)
	if err != nil {
		return fmt.Errorf("listening on -addr: %w", err)
	}
	server := newHTTPServer(newSite(d, second.name))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		err = errors.Join(err, within(ctx, closeTimeout, server.Shutdown))
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}()

	url := "http://" + listener.Addr().String()
	stdout.printf("Serving on %s\n", url)
	if o.load {
		if err := demo(ctx, o, d, url, stdout); err != nil || o.exits {
			return err
		}
		stdout.printf("Still serving on %s until Ctrl-C\n", url)
	}
	select {
	case <-ctx.Done(): // Ctrl-C is the way to end a server, not an error
		return nil
	case err := <-served:
		served <- err // for the deferred function
		return nil
	}
}

const closeTimeout = 5 * time.Second

// within calls f with some time of its own: ctx itself has ended when the program cleans up.
func within(ctx context.Context, d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d)
	defer cancel()
	return f(ctx)
}

func openLibrary(ctx context.Context, o options, out outside) (*stdlib.Library, error) {
	goroot := o.goroot
	if goroot == "" {
		var err error
		if goroot, err = stdlib.FindGOROOT(ctx); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	library, err := out.open(ctx, goroot)
	if err != nil {
		return nil, err
	}
	out.stdout.printf("Read %d packages with %d symbols of %s from %s in %v\n", len(library.Packages()),
		library.Symbols(), library.Version(), goroot, time.Since(start).Round(time.Millisecond))
	return library, nil
}

// newHTTPServer bounds everything that a slow or hostile client could stretch.
func newHTTPServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
}
