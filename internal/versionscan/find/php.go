package find

import (
	"regexp"
)

// PHP.
var _ = register(language{
	form: "php", suffixes: ".php",
	lexer:  lexer{line: []string{"//", "#"}, block: [][2]string{{"/*", "*/"}}, quotes: "\"'", heredoc: "<<<"},
	sigil:  "$",
	starts: hashArrow,
	define: regexp.MustCompile(`\bdefine\s*\(\s*["']([A-Za-z_]\w*)["']\s*,`),
	examples: []example{
		{"php call", "a.php", "<?php\n// relbot:gate m\ntrigger_deprecation('symfony/http-kernel', '8.1', 'Old.');\n", Finder{Marker: "m"}, "", "3:44  8.1 php-call"},
		{"php call by name", "a.php", "<?php\ntrigger_deprecation('symfony/http-kernel', '8.1', 'Old.');\n", Finder{Symbol: "trigger_deprecation"}, "", "2:1 trigger_deprecation 8.1 php-call"},
		{"php docblock", "a.php", "<?php\n/**\n * relbot:gate m\n * @deprecated since 8.1\n */\n", Finder{Marker: "m"}, "", "4:22  8.1 php-comment"},
		{"php attribute", "a.php", "<?php\n#[Deprecated(since: '8.1')]\nfunction f() {}\n", Finder{Symbol: "since"}, "", "2:14 since 8.1 php-string"},
		{"php define", "a.php", "<?php\ndefine('MIN_VERSION', '8.1.0');\n", Finder{Symbol: "MIN_VERSION"}, "", "2:9 MIN_VERSION 8.1.0 php-string"},
		{"not in a php heredoc", "a.php", "<?php\n$x = <<<EOT\nconst MIN = '9.9';\nEOT;\nconst MIN = '1.2';\n", Finder{Symbol: "MIN"}, "", "5:7 MIN 1.2 php-string"},
		{"php variable", "a.php", "<?php\n$minVersion = '1.2.3';\n", Finder{Symbol: "minVersion"}, "", "2:1 minVersion 1.2.3 php-string"},
	},
})
