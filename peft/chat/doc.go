// Package chat turns conversations into text and tokens by a model's chat template.
//
// A template is Jinja as transformers renders it (apply_chat_template): trim_blocks, lstrip_blocks, break and continue,
// {% generation %}, raise_exception, strftime_now, and its own tojson. The engine is minijinja-go, by Jinja's author.
// Statements, scopes, macros and limits are the library's; its rules for expressions are MiniJinja's and not Python's
// (order of a dict's keys, methods of strings, how None and True are printed, what is an error), and its operators
// cannot be bounded. So a template is translated first (translate.go): each expression becomes calls of functions
// that are registered with the library and follow Python (ops.go, access.go, filters.go, tests.go, strmethods.go),
// and count what they make. testdata/jinja.json holds what transformers itself renders.
//
// A hostile template ends with an error: steps, bytes made and depth are limited per rendering (template.go), no file
// can be read, and a panic of the library becomes an error.
//
// What is not as in Python: a tuple or a dict's view is printed as a list; loop.changed, loop.depth, str % and format
// specifications are errors; integers beyond 64 bits are printed and not computed with; text is split, sorted and
// measured by code points, as in Python, but case follows Go's Unicode tables.
//
// BOS: the text is tokenized with special tokens parsed and none added, as transformers does, so that BOS is there
// exactly where the template writes it. llama.cpp's server takes a BOS off the rendered text and adds the vocabulary's
// own where add_bos_token is set; the two agree for templates that write BOS exactly for such vocabularies, as published
// ones do. graft's built-in templates are made to.
package chat
