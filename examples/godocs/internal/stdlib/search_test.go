package stdlib

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestSearchFindsTheObviousFirst(t *testing.T) {
	l := library(t)
	for query, want := range map[string]string{
		"http.Client":       `<a href="/pkg/net/http#Client">`,
		"Client.Do":         `<a href="/pkg/net/http#Client.Do">`,
		"strings.Builder":   `<a href="/pkg/strings#Builder">`,
		"DisableKeepAlives": `<a href="/pkg/net/http#Transport.DisableKeepAlives">`,
		"net/http":          `<a href="/pkg/net/http">`,
		"ServeHTTP handler": `<a href="/pkg/net/http#Handler.ServeHTTP">`,
	} {
		html, err := l.Search(background, query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
		}
		_, list, _ := strings.Cut(string(html), "<li>")
		if !strings.HasPrefix(list, want) {
			t.Errorf("%s: first is %.100q, expected %s", query, list, want)
		}
	}
}

func TestSearchLooksIntoComments(t *testing.T) {
	html, err := library(t).Search(background, "stampede herd singleflight zzz")
	if err != nil || !strings.Contains(string(html), "0 of") {
		t.Errorf("found something: %s, %v", html, err)
	}
	html, err = library(t).Search(background, "teapot")
	if err != nil || !strings.Contains(string(html), "StatusTeapot") {
		t.Errorf("%s, %v", html, err)
	}
}

func TestSearchListsNoMoreThanPeopleRead(t *testing.T) {
	html, err := library(t).Search(background, "e")
	if err != nil || strings.Count(string(html), "<li>") != maxHits {
		t.Errorf("%d hits, %v", strings.Count(string(html), "<li>"), err)
	}
}

func TestSearchDoesNotQuoteTheQuery(t *testing.T) {
	html, err := library(t).Search(background, "<script>alert(1)</script>")
	if err != nil || strings.Contains(string(html), "<script") {
		t.Errorf("%s, %v", html, err)
	}
}

func TestSearchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := library(t).Search(ctx, "reader"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
