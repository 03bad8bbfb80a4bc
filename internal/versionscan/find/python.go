package find

import (
	"github.com/relbot/relbot/internal/versionscan/release"
)

// Python.
var _ = register(language{
	form: "py", suffixes: ".py .pyi",
	lexer: python,
	examples: []example{
		{"python string", "a.py", "MIN_VERSION = \"3.1.0\"  # not 3.0\n", Finder{Symbol: "MIN_VERSION"}, "", "1:1 MIN_VERSION 3.1.0 py-string"},
		{"python tuple", "a.py", "VERSION = (6, 1, 0, \"alpha\", 0)\n", Finder{Symbol: "VERSION"}, "", "1:1 VERSION 6.1.0-alpha.0 py-tuple"},
		{"python annotated", "a.py", "MIN: Final = \"2026.4\"\n", Finder{Symbol: "MIN"}, "", "1:1 MIN 2026.4 py-string"},
		{"python keyword", "a.py", "report(\n    hass,\n    breaks_in_ha_version=\"2026.4.0\",\n)\n", Finder{Symbol: "breaks_in_ha_version"}, "", "3:5 breaks_in_ha_version 2026.4.0 py-string"},
		{"python class", "a.py", "class RemovedInDjango61Warning(DeprecationWarning):\n    pass\n", Finder{Symbol: "RemovedIn\\w+"}, "", "1:7 RemovedInDjango61Warning 6.1 py-class"},
		{"python call argument", "a.py", "steps = [\n    step(  # relbot:gate m\n        \"26.19.0-dev.0\",\n    ),\n]\n", Finder{Marker: "m"}, "", "3:9  26.19.0-dev.0 py-string"},
		{"python parts", "const.py", "MAJOR_VERSION: Final = 2026\nMINOR_VERSION: Final = 11\nPATCH_VERSION: Final = \"0.dev0\"\n", Finder{Symbol: "M\\w+_VERSION|PATCH_VERSION"}, release.PEP440, "1:1 MAJOR_VERSION 2026.11.0.dev0 py-parts"},
		{"python dict key", "a.py", "GATES = {\"min_version\": \"1.2.3\"}\n", Finder{Symbol: "min_version"}, "", "1:11 min_version 1.2.3 py-string"},
		{"pandas class", "a.py", "class Pandas4Warning(DeprecationWarning):\n", Finder{Symbol: "Pandas\\d+Warning"}, "", "1:7 Pandas4Warning 4 py-class"},
		{"python comparison", "a.py", "AIRFLOW_V_3_1_PLUS = get_base_airflow_version_tuple() >= (3, 1, 0)\n", Finder{Symbol: "AIRFLOW_V_3_1_PLUS"}, "", "1:1 AIRFLOW_V_3_1_PLUS 3.1.0 py-tuple"},
		{"python keyword without a patch number", "a.py", "report(breaks_in_ha_version=\"2026.4\")\n", Finder{Symbol: "breaks_in_ha_version"}, release.Calver, "1:8 breaks_in_ha_version 2026.4 py-string"},
		{"not in a docstring", "a.py", "\"\"\"\nMIN = \"9.9\"\n\"\"\"\nMIN = \"1.2\"\n", Finder{Symbol: "MIN"}, "", "4:1 MIN 1.2 py-string"},
		{"python, another class", "a.py", "class RemovedInDjango61Warning(DeprecationWarning):\n    pass\n\nRemovedInNextVersionWarning = RemovedInDjango61Warning\n", Finder{Symbol: "RemovedInNextVersionWarning"}, "", "4:1 RemovedInNextVersionWarning 6.1 py-const"},
		{"not in a string", "a.py", "x = \"MIN = '1.0'\"\nMIN = '2.0'\n", Finder{Symbol: "MIN"}, "", "2:1 MIN 2.0 py-string"},
	},
})
