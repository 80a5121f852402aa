package env

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
)

// variables are those of the prefix, and what has been found wrong with them. Each is taken
// once; what nobody takes is a mistake of the writer.
type variables struct {
	values map[string]string // by name without the prefix
	errs   []error
}

func newVariables(environ []string) *variables {
	v := &variables{values: make(map[string]string)}
	for _, line := range environ {
		name, value, ok := strings.Cut(line, "=")
		if name, ours := strings.CutPrefix(name, prefix); ok && ours {
			v.values[name] = value
		}
	}
	return v
}

func (v *variables) take(name string) string {
	value := v.values[name]
	delete(v.values, name)
	return value
}

func (v *variables) bad(name string, err error) {
	v.errs = append(v.errs, fmt.Errorf("%s%s: %w", prefix, name, err))
}

// choose runs what the value of the variable stands for.
func (v *variables) choose(name string, choices map[string]func()) {
	value := v.take(name)
	if value == "" {
		return
	}
	if set, ok := choices[strings.ToLower(value)]; ok {
		set()
		return
	}
	known := slices.Sorted(maps.Keys(choices))
	v.bad(name, fmt.Errorf("%q is not known; possible are %s", value, strings.Join(known, ", ")))
}

// fill sets the plain fields of the struct that ptr points to from the variables named
// after them.
func (v *variables) fill(part string, ptr any) {
	s := reflect.ValueOf(ptr).Elem()
	for i := range s.NumField() {
		f := s.Type().Field(i)
		if !plain(f.Type) {
			continue
		}
		name := part + variableName(f.Name)
		value := v.take(name)
		if value == "" {
			continue
		}
		if err := set(s.Field(i), f.Name, value); err != nil {
			v.bad(name, err)
		}
	}
}

var durationType = reflect.TypeFor[time.Duration]()

// plain reports whether a text can stand for a value of the type.
func plain(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Int, reflect.Int64, reflect.Float64, reflect.String:
		return true
	default:
		return false
	}
}

func set(field reflect.Value, name, value string) error {
	switch {
	case field.Type() == durationType:
		if value == "-1" {
			field.SetInt(-1) // "off", as a Policy has it
			return nil
		}
		d, err := time.ParseDuration(value)
		if err != nil {
			return fmt.Errorf("%q is no duration like 500ms, 30s or 1h", value)
		}
		field.SetInt(int64(d))
	case field.Kind() == reflect.String:
		field.SetString(value)
	case field.Kind() == reflect.Float64:
		f, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return fmt.Errorf("%q is no number", value)
		}
		field.SetFloat(f)
	case strings.HasSuffix(name, "Bytes") && !strings.HasPrefix(value, "-"):
		n, err := humanize.ParseBytes(value)
		if err != nil || n > 1<<62 {
			return fmt.Errorf("%q is no size like 65536, 64KiB or 1GiB", value)
		}
		field.SetInt(int64(n))
	default:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is no whole number", value)
		}
		field.SetInt(n)
	}
	return nil
}

// variableName turns the name of a field into that of a variable: MaxBytes into MAX_BYTES,
// L1TTL into L1_TTL, DB into DB.
func variableName(field string) string {
	var b strings.Builder
	runes := []rune(field)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) {
			after := runes[i-1]
			startsWord := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if !unicode.IsUpper(after) || startsWord {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}

// leftOver is everything found wrong, with the variables that mean nothing.
func (v *variables) leftOver() error {
	for _, name := range slices.Sorted(maps.Keys(v.values)) {
		v.bad(name, errors.New("means nothing; the documentation of package env lists what does"))
	}
	if len(v.errs) == 0 {
		return nil
	}
	return fmt.Errorf("tiercache: bad environment:\n%w", errors.Join(v.errs...))
}
