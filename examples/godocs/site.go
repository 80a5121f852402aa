package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/tiercache/tiercache"
)

//go:embed assets
var assets embed.FS

// site is the HTTP side of docs.
type site struct {
	docs  *docs
	l2    string // name of the second tier
	index []byte
}

// Longer ones are not asked for by honest clients; they would only fill the cache.
const (
	maxPathBytes  = 200
	maxQueryBytes = 100
)

func newSite(d *docs, l2 string) http.Handler {
	s := &site{docs: d, l2: l2, index: renderIndex(d.library, l2)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { s.write(w, frame{Title: "Packages"}, s.index) })
	mux.HandleFunc("GET /stats", s.stats)
	mux.Handle("GET /assets/", http.FileServerFS(assets))
	// The same twice: through the cache and, to compare, around it. Only a demo gives its
	// visitors the choice.
	s.routes(mux, "", ask.cached)
	s.routes(mux, "/uncached", ask.uncached)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { s.notFound(w, "") })
	return secure(mux)
}

type answerFunc func(ask, context.Context) (answer, error)

func (s *site) routes(mux *http.ServeMux, base string, get answerFunc) {
	for _, kind := range []string{"pkg", "src"} {
		mux.HandleFunc("GET "+base+"/"+kind+"/{path...}", func(w http.ResponseWriter, r *http.Request) {
			path := strings.TrimSuffix(r.PathValue("path"), "/")
			if path == "" || len(path) > maxPathBytes {
				s.notFound(w, path)
				return
			}
			a, err := get(s.docs.page(kind+"/"+path), r.Context())
			s.answer(w, r, frame{Title: path, Other: other(base, "/"+kind+"/"+path)}, a, err)
		})
	}
	mux.HandleFunc("GET "+base+"/search", func(w http.ResponseWriter, r *http.Request) {
		query := r.FormValue("q")
		if len(query) > maxQueryBytes {
			http.Error(w, fmt.Sprintf("a query has at most %d bytes", maxQueryBytes), http.StatusBadRequest)
			return
		}
		q := s.docs.search(query)
		if q.key == "" {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		a, err := get(q, r.Context())
		s.answer(w, r, frame{Title: "Search", Query: query, Other: other(base, r.URL.RequestURI()[len(base):])}, a, err)
	})
}

// other is the address of the same page the other way: with or without the cache.
func other(base, path string) string {
	if base == "" {
		return "/uncached" + path
	}
	return path
}

// answer writes what came back. Where it came from is in the X-Cache header, and for
// people at the top of the page.
func (s *site) answer(w http.ResponseWriter, r *http.Request, f frame, a answer, err error) {
	switch {
	case err == nil:
		f.Answer = &a
		w.Header().Set("X-Cache", a.header())
		s.write(w, f, a.html)
	case errors.Is(err, tiercache.ErrNotFound):
		w.Header().Set("X-Cache", "absent")
		s.notFound(w, f.Title)
	case r.Context().Err() != nil: // the client has left
	case errors.Is(err, tiercache.ErrClosed):
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
	default:
		slog.Error("answering", "path", r.URL.Path, "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
	}
}

func (s *site) notFound(w http.ResponseWriter, path string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	body := []byte("<h1>Not found</h1>\n<p>The standard library has no such page.</p>\n")
	s.writeStatus(w, http.StatusNotFound, frame{Title: "Not found", Query: path}, body)
}

func (s *site) write(w http.ResponseWriter, f frame, body []byte) {
	s.writeStatus(w, http.StatusOK, f, body)
}

// writeStatus puts the frame around body without copying it: it may be large.
func (s *site) writeStatus(w http.ResponseWriter, status int, f frame, body []byte) {
	var head bytes.Buffer
	if err := frameTemplate.Execute(&head, f); err != nil {
		slog.Error("rendering the frame", "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(head.Len()+len(body)+len(frameEnd)))
	w.WriteHeader(status)
	for _, part := range [][]byte{head.Bytes(), body, []byte(frameEnd)} {
		if _, err := w.Write(part); err != nil {
			return // the client has left
		}
	}
}

// secure forbids everything a page of documentation does not need.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}
