package versionscan

// Selector says where in a file a version stands. At most one field is set.
type Selector struct {
	Pattern    string // RE2 with (?P<version>), or major, minor, patch, or (?P<symbol>)
	TOML       string // dotted path
	JSON       string
	YAML       string
	XML        string
	Properties string
}

// IsZero reports whether the selector selects nothing.
func (s Selector) IsZero() bool { return s == Selector{} }

// Form is the selector's kind, a short stable word; "" for the zero Selector.
func (s Selector) Form() string {
	switch {
	case s.Pattern != "":
		return "pattern"
	case s.TOML != "":
		return "toml"
	case s.JSON != "":
		return "json"
	case s.YAML != "":
		return "yaml"
	case s.XML != "":
		return "xml"
	case s.Properties != "":
		return "properties"
	}
	return ""
}

// String is the selector as messages name it: its path, or "the pattern".
func (s Selector) String() string {
	switch form := s.Form(); form {
	case "":
		return "nothing"
	case "pattern":
		return "the pattern"
	default:
		return s.TOML + s.JSON + s.YAML + s.XML + s.Properties
	}
}
