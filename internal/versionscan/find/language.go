package find

import (
	"path"
	"regexp"
	"strings"

	"github.com/relbot/relbot/internal/versionscan/release"
)

// language is all that is known of a language. Each has a file of this package to itself, which registers it: how its files are named, what
// is comment and string in it, how its forms are called, which definitions it alone has, and an example of each form.
type language struct {
	form     string // begins the names of its forms; "" leaves them bare
	suffixes string // of its files, in lower case, separated by spaces
	also     string // suffixes of files that are read alike, and whose forms go without the language's name
	files    func(base string) bool
	lexer    lexer

	forms   map[string]string // names of forms that are called otherwise than by the language and the kind
	oneForm bool              // all other forms are called as the language is
	words   bool              // it has no constants, so that a bare word is a value and no name of one
	sigil   string            // stands before the name of a variable and is none of it

	// starts says where in what follows a name its value starts, where the language alone writes a definition so; else -1. before is
	// the line up to the name.
	starts func(before, rest string) int
	// define matches a call that defines a constant: its group is the name, and its value follows.
	define *regexp.Regexp
	// data are the only spans of a text in which constants count, where there are any.
	data func(text string) [][2]int
	// refuses reports whether the text of a value is none, much as it looks like one.
	refuses func(raw string) bool

	examples []example
}

// example is a text in which a gate is found: a test, and a row of docs/gates.md.
type example struct {
	name, path, text string
	find             Finder
	scheme           release.Scheme
	want             string // "line:column name value form"
}

var (
	languages []*language
	bySuffix  = map[string]*language{}
)

// register makes a language known.
func register(l language) bool {
	l.lexer.prepare()
	languages = append(languages, &l)
	for _, suffix := range strings.Fields(l.suffixes) {
		bySuffix[suffix] = &l
	}
	relative := l
	relative.form, relative.forms, relative.oneForm, relative.words = "", nil, false, true
	for _, suffix := range strings.Fields(l.also) {
		bySuffix[suffix] = &relative
	}
	return true
}

// languageOf is the language of a file, by its name.
func languageOf(p string) *language {
	base := path.Base(p)
	if l, ok := bySuffix[strings.ToLower(path.Ext(base))]; ok {
		return l
	}
	for _, l := range languages {
		if l.files != nil && l.files(base) {
			return l
		}
	}
	return plain
}

// named is the name of a form in the language.
func (l *language) named(kind string) string {
	switch name, ok := l.forms[kind]; {
	case ok:
		return name
	case l.oneForm:
		return l.form
	case l.form == "":
		return kind
	}
	return l.form + "-" + kind
}

// form names a form by the language that it is written in.
func (s *source) form(kind string) string { return s.language.named(kind) }
