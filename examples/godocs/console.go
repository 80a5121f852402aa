package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// console is where people look.
type console struct{ io.Writer }

// printf drops its error: where nobody reads, there is nobody to tell.
func (c console) printf(format string, args ...any) { _, _ = fmt.Fprintf(c, format, args...) }

// liveLine is a line that is written over on a terminal, and once a second anew elsewhere.
type liveLine struct {
	out      console
	terminal bool
	every    time.Duration
}

func newLiveLine(out console) *liveLine {
	l := &liveLine{out: out, every: time.Second}
	if f, ok := out.Writer.(*os.File); ok {
		info, err := f.Stat()
		l.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if l.terminal {
		l.every = 200 * time.Millisecond
	}
	return l
}

func (l *liveLine) show(line string) {
	if l.terminal {
		l.out.printf("\r%s\x1b[K", line)
		return
	}
	l.out.printf("%s\n", line)
}

// end leaves the last line on the screen.
func (l *liveLine) end() {
	if l.terminal {
		l.out.printf("\n")
	}
}
