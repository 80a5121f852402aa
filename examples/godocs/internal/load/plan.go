package load

import (
	"math/rand/v2"
	"net/http"
	"net/url"
)

// Plan is what the crowd asks for. Lists begin with what is asked for most.
type Plan struct {
	Pages   []string // paths of pages
	Sources []string // paths of listings: rare and large
	Words   []string // searched for
	Missing []string // paths that do not exist: broken links are part of every crowd
}

// What a crowd does, in percent; the rest goes to pages.
const (
	percentSources = 2
	percentWords   = 13
	percentMissing = 2

	skew = 1.25 // exponent of the Zipf distributions
)

// request is one request and the status that is right for it.
type request struct {
	path   string
	status int
}

// stream is the sequence of requests of one worker.
type stream struct {
	random *rand.Rand
	plan   *Plan
	pages, sources, words,
	missing *rand.Zipf
}

func (p *Plan) stream(seed, worker uint64) *stream {
	r := rand.New(rand.NewPCG(seed, worker)) // repeatable, which is all it must be
	zipf := func(list []string) *rand.Zipf { return rand.NewZipf(r, skew, 1, uint64(max(len(list), 1)-1)) }
	return &stream{
		random: r, plan: p,
		pages: zipf(p.Pages), sources: zipf(p.Sources), words: zipf(p.Words), missing: zipf(p.Missing),
	}
}

func (s *stream) next() request {
	switch n := s.random.IntN(100); {
	case n < percentSources:
		return request{s.plan.Sources[s.sources.Uint64()], http.StatusOK}
	case n < percentSources+percentWords:
		word := s.plan.Words[s.words.Uint64()]
		return request{"/search?q=" + url.QueryEscape(word), http.StatusOK}
	case n < percentSources+percentWords+percentMissing:
		return request{s.plan.Missing[s.missing.Uint64()], http.StatusNotFound}
	default:
		return request{s.plan.Pages[s.pages.Uint64()], http.StatusOK}
	}
}
