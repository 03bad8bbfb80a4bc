package find

// Perl.
var _ = register(language{
	suffixes: ".pl",
	lexer:    hashes,
	words:    true,
	examples: []example{
		{"perl variable", "a.pl", "our $MIN_VERSION = '5.40.0'; # not 5.38\n", Finder{Symbol: "\\$MIN_VERSION"}, "", "1:5 $MIN_VERSION 5.40.0 string"},
	},
})
