// Package load sends a made-up crowd to a documentation server: a few pages are asked for all
// the time, most now and then, as everywhere. The same seed gives the same crowd.
package load
