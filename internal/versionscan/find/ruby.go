package find

import (
	"regexp"
	"strings"
)

// Ruby.
var _ = register(language{
	form: "ruby", suffixes: ".rb", also: ".gemspec .rake",
	files:  func(base string) bool { return base == "Gemfile" || base == "Rakefile" },
	lexer:  lexer{line: []string{"#"}, quotes: "\"'", heredoc: "<<", pod: true},
	starts: hashArrow,
	examples: []example{
		{"ruby dsl", "a.rb", "# relbot:gate m\nmilestone '18.10'\n", Finder{Marker: "m"}, "", "2:11  18.10 ruby-string"},
		{"ruby dsl by name", "a.rb", "class X < Migration\n  milestone '18.6'\nend\n", Finder{Symbol: "milestone"}, "", "2:3 milestone 18.6 ruby-call"},
		{"ruby constant", "a.rb", "module A\n  MIN_VERSION = Gem::Version.new('3.2.0').freeze\nend\n", Finder{Symbol: "MIN_VERSION"}, "", "2:3 MIN_VERSION 3.2.0 ruby-call"},
		{"not in a ruby comment block", "a.rb", "=begin\nMIN = '9.9'\n=end\nMIN = '1.2'\n", Finder{Symbol: "MIN"}, "", "4:1 MIN 1.2 ruby-string"},
		{"not in a ruby heredoc", "a.rb", "X = <<~EOS\n  MIN = \"9.9\"\nEOS\nMIN = \"1.2\"\n", Finder{Symbol: "MIN"}, "", "4:1 MIN 1.2 ruby-string"},
		{"ruby hash", "a.rb", "G = { :min_version => \"1.2.3\" }\n", Finder{Symbol: "min_version"}, "", "1:8 min_version 1.2.3 ruby-string"},
	},
})

// hashArrow is where the value starts that an arrow points to: :name => …, 'name' => ….
func hashArrow(_, rest string) int {
	if !arrow.MatchString(rest) {
		return -1
	}
	return strings.Index(rest, "=>") + len("=>")
}

var arrow = regexp.MustCompile(`^["']?\s*=>`)
