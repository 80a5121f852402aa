// Package stdlib reads the documentation of the standard library from the source in GOROOT.
//
// Open lists the packages and indexes their symbols once. After that Page and Search do real
// work on every call: Page parses a package and renders it as HTML, Search scans the comments of
// all symbols. Nothing in here caches anything; that is what the program around it is about.
package stdlib
