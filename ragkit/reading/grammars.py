"""Which tree-sitter grammar reads which language, and what in it is a definition."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from ragkit.reading.structure import word_set

if TYPE_CHECKING:
    from tree_sitter import Language, Query

__all__ = ["ATTACHED", "WRAPPERS", "LoadedGrammar", "grammar_of"]

# Nodes before a definition that belong to it if no blank line is between.
ATTACHED = word_set(
    "comment line_comment block_comment attribute_item attribute_list decorator annotation"
    " marker_annotation"
)
# Nodes around a definition that begin and end with it.
WRAPPERS = word_set(
    "decorated_definition export_statement template_declaration type_definition type_declaration"
)

_JAVASCRIPT = """
[(function_declaration) (generator_function_declaration) (class_declaration) (method_definition)]
@definition
(lexical_declaration (variable_declarator
    value: [(arrow_function) (function_expression) (class)])) @definition
(variable_declaration (variable_declarator
    value: [(arrow_function) (function_expression) (class)])) @definition
(expression_statement (assignment_expression
    right: [(arrow_function) (function_expression) (class)])) @definition
(pair value: [(arrow_function) (function_expression)]) @definition
"""
_TYPESCRIPT = (
    _JAVASCRIPT
    + """
[(abstract_class_declaration) (interface_declaration) (enum_declaration) (internal_module)
 (module)] @definition
(public_field_definition value: [(arrow_function) (function_expression)]) @definition
"""
)
_C = """
(function_definition) @definition
[(struct_specifier body: (_)) (union_specifier body: (_)) (enum_specifier body: (_))] @definition
"""


@dataclass(frozen=True, slots=True)
class _Grammar:
    module: str
    query: str
    function: str = "language"


_GRAMMARS = MappingProxyType(
    {
        "text/x-python": _Grammar(
            "tree_sitter_python", "[(function_definition) (class_definition)] @definition"
        ),
        "text/javascript": _Grammar(
            "tree_sitter_javascript",
            _JAVASCRIPT + "(field_definition value: (arrow_function)) @definition",
        ),
        "text/x-typescript": _Grammar("tree_sitter_typescript", _TYPESCRIPT, "language_typescript"),
        "text/x-tsx": _Grammar("tree_sitter_typescript", _TYPESCRIPT, "language_tsx"),
        "text/x-java": _Grammar(
            "tree_sitter_java",
            """[(class_declaration) (interface_declaration) (enum_declaration)
            (record_declaration) (annotation_type_declaration) (method_declaration)
            (constructor_declaration) (compact_constructor_declaration)] @definition""",
        ),
        "text/x-c": _Grammar("tree_sitter_c", _C),
        "text/x-c++": _Grammar(
            "tree_sitter_cpp",
            _C + "[(class_specifier body: (_)) (namespace_definition)] @definition",
        ),
        "text/x-csharp": _Grammar(
            "tree_sitter_c_sharp",
            """[(namespace_declaration) (class_declaration) (struct_declaration)
            (interface_declaration) (enum_declaration) (record_declaration) (method_declaration)
            (constructor_declaration) (destructor_declaration) (operator_declaration)
            (indexer_declaration) (local_function_statement)] @definition
            (property_declaration accessors: (_ (accessor_declaration body: (_)))) @definition""",
        ),
        "text/x-go": _Grammar(
            "tree_sitter_go",
            """[(function_declaration) (method_declaration)] @definition
            (type_spec type: [(struct_type) (interface_type)]) @definition""",
        ),
        "text/x-rust": _Grammar(
            "tree_sitter_rust",
            """[(function_item) (struct_item) (enum_item) (union_item) (trait_item) (impl_item)
            (mod_item body: (_)) (macro_definition)] @definition""",
        ),
        "text/x-php": _Grammar(
            "tree_sitter_php",
            """[(function_definition) (class_declaration) (interface_declaration)
            (trait_declaration) (enum_declaration) (method_declaration)
            (namespace_definition body: (_))] @definition""",
            "language_php",
        ),
        "text/x-ruby": _Grammar(
            "tree_sitter_ruby",
            "[(class) (module) (method) (singleton_method) (singleton_class)] @definition",
        ),
        "text/x-shellscript": _Grammar("tree_sitter_bash", "(function_definition) @definition"),
    }
)


@dataclass(frozen=True, slots=True)
class LoadedGrammar:
    """A language, and the query that finds its definitions."""

    language: Language
    definitions: Query


@cache
def grammar_of(media_type: str) -> LoadedGrammar | None:
    """The grammar of a media type, loaded now if it was not before; None if there is none."""
    from tree_sitter import Language, Query  # noqa: PLC0415 - 16 ms that only code pays

    grammar = _GRAMMARS.get(media_type)
    if grammar is None:
        return None
    module = importlib.import_module(grammar.module)
    language = Language(getattr(module, grammar.function)())
    return LoadedGrammar(language, Query(language, grammar.query))
