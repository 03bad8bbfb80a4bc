// Package wordtest holds the English of docs, comments, help and messages; it has tests only.
package wordtest
