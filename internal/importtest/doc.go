// Package importtest holds the directions between the packages of this module; it has tests only.
package importtest
