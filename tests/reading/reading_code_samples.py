"""A piece of code in each language that has a grammar, with the definitions that are in it."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["SAMPLES", "CodeSample"]


@dataclass(frozen=True, slots=True)
class CodeSample:
    """Code: ``sections`` are (level, title); ``spans`` say how a section begins and ends."""

    name: str
    text: str
    sections: tuple[tuple[int, str], ...]
    spans: dict[str, tuple[str, str]] = field(default_factory=dict)


SAMPLES: tuple[CodeSample, ...] = (
    CodeSample(
        "a.py",
        """\
\"\"\"Module doc é.\"\"\"
import os

# The answer.
@decorator(1)
@other
def answer(
    x: int, y: str = "é",
) -> int:
    \"\"\"Doc.\"\"\"
    def inner(z):
        return z
    return 42

class Foo(Bar, metaclass=Baz):
    \"\"\"Doc of Foo.\"\"\"
    # about a
    a = 1

    # method comment
    async def method(self, a, *, b=2):
        return await x

    @property
    def p(self): return 1

x = [lambda q: q]
if x:
    def cond(): pass
""",
        (
            (1, 'def answer( x: int, y: str = "é", ) -> int'),
            (2, "def inner(z)"),
            (1, "class Foo(Bar, metaclass=Baz)"),
            (2, "async def method(self, a, *, b=2)"),
            (2, "def p(self)"),
            (1, "def cond()"),
        ),
        {
            'def answer( x: int, y: str = "é", ) -> int': ("# The answer.", "    return 42"),
            "async def method(self, a, *, b=2)": ("# method comment", "        return await x"),
            "def p(self)": ("@property", "    def p(self): return 1"),
        },
    ),
    CodeSample(
        "a.js",
        """\
/** Adds. */
export function add(a, b) { return a + b; }
const mul = (a, b) => a * b;
export const Comp = ({ a, b }) => {
  const inner = () => 1;
  return null;
};
// A class.
@dec
export default class A extends B {
  /** m doc */
  m(x) { return x; }
  static async *gen() {}
  f = () => { this.x = 1 };
}
module.exports = function (a) { return a };
foo.prototype.bar = function bar(x) {
  return x;
};
const o = {
  // k
  key: function (a) { return 1; },
  other(a) { },
};
(function () {
  function hidden(q) { return q }
})();
""",
        (
            (1, "export function add(a, b)"),
            (1, "const mul = (a, b)"),
            (1, "export const Comp = ({ a, b })"),
            (2, "const inner = ()"),
            (1, "export default class A extends B"),
            (2, "m(x)"),
            (2, "static async *gen()"),
            (2, "f = ()"),
            (1, "module.exports = function (a)"),
            (1, "foo.prototype.bar = function bar(x)"),
            (1, "const o"),
            (2, "key: function (a)"),
            (2, "other(a)"),
            (1, "function hidden(q)"),
        ),
        {
            "export function add(a, b)": (
                "/** Adds. */",
                "export function add(a, b) { return a + b; }",
            ),
            "export default class A extends B": ("// A class.", "}"),
            "foo.prototype.bar = function bar(x)": ("foo.prototype.bar = function bar(x) {", "};"),
            "key: function (a)": ("// k", "  key: function (a) { return 1; },"),
        },
    ),
    CodeSample(
        "a.ts",
        """\
/** I */
export interface I<T> { a: T; m(): void }
export abstract class C<T> implements I<T> {
  constructor(private readonly x: number) { }
  @Input() name: string;
  @HostListener('x', ['y'])
  handle(e: Event): void { }
  abstract foo(): void;
}
export enum E { A, B }
namespace N { export function f(): number { return 1 } }
declare module "x" { }
export const g = async <T,>(a: T): Promise<T> => { return a };
export type T1 = { a: string };
""",
        (
            (1, "export interface I<T>"),
            (1, "export abstract class C<T> implements I<T>"),
            (2, "constructor(private readonly x: number)"),
            (2, "handle(e: Event): void"),
            (1, "export enum E"),
            (1, "namespace N"),
            (1, "export const g = async <T,>(a: T): Promise<T>"),
        ),
        {
            "handle(e: Event): void": ("@HostListener('x', ['y'])", "  handle(e: Event): void { }"),
        },
    ),
    CodeSample(
        "a.tsx",
        """\
export const Lamp = ({ lit }: Props): JSX.Element => {
  const flip = () => set(!lit);
  return <button onClick={flip}>{lit ? "on" : "off"}</button>;
};
""",
        (
            (1, "export const Lamp = ({ lit }: Props): JSX.Element"),
            (2, "const flip = ()"),
        ),
        {
            "const flip = ()": ("const flip = () => set(!lit);", "const flip = () => set(!lit);"),
        },
    ),
    CodeSample(
        "a.java",
        """\
package x;
/**
 * Doc.
 */
@Deprecated
@SuppressWarnings({"a"})
public class A<T extends B> extends C implements D {
    /** field */
    private int x;
    // ctor
    public A(int x) { this.x = x; }
    @Override
    public <R> List<R> foo(Map<String, R> m, int... xs) throws IOException {
        return null;
    }
    enum E { A { void f() {} }, B }
    interface I { int f(); default int g() { return 1; } }
    record P(int x, int y) {}
}
""",
        (
            (1, "public class A<T extends B> extends C implements D"),
            (2, "public A(int x)"),
            (2, "public <R> List<R> foo(Map<String, R> m, int... xs) throws IOException"),
            (2, "enum E"),
            (2, "interface I"),
            (2, "record P(int x, int y)"),
        ),
        {
            "public class A<T extends B> extends C implements D": ("/**", "}"),
            "public A(int x)": ("// ctor", "    public A(int x) { this.x = x; }"),
            "public <R> List<R> foo(Map<String, R> m, int... xs) throws IOException": (
                "@Override",
                "    }",
            ),
        },
    ),
    CodeSample(
        "a.c",
        """\
#include <stdio.h>
/* Adds
   two. */
static inline int add(int a,
                      int b)
{
    return a + b;
}
typedef struct node {
    int v;
    struct node *next;
} node_t;
struct plain { int x; };
enum color { RED, GREEN };
int (*get(void))(int) { return 0; }
#define X(a) a
#ifdef FOO
void foo(void) { }
#endif
""",
        (
            (1, "static inline int add(int a, int b)"),
            (1, "typedef struct node"),
            (1, "struct plain"),
            (1, "enum color"),
            (1, "int (*get(void))(int)"),
            (1, "void foo(void)"),
        ),
        {
            "static inline int add(int a, int b)": ("/* Adds", "}"),
            "typedef struct node": ("typedef struct node {", "} node_t;"),
        },
    ),
    CodeSample(
        "a.cpp",
        """\
namespace a::b {
/// Doc
template <typename T>
class Foo : public Bar<T> {
 public:
  explicit Foo(int x) : x_(x) {}
  // m
  virtual int m() const override { return x_; }
  int decl();
 private:
  int x_;
};
struct S { int a; };
}  // namespace
template <class T> int a::b::Foo<T>::decl() { return 1; }
""",
        (
            (1, "namespace a::b"),
            (2, "template <typename T> class Foo : public Bar<T>"),
            (3, "explicit Foo(int x) : x_(x)"),
            (3, "virtual int m() const override"),
            (2, "struct S"),
            (1, "template <class T> int a::b::Foo<T>::decl()"),
        ),
        {
            "template <typename T> class Foo : public Bar<T>": ("/// Doc", "};"),
            "virtual int m() const override": (
                "// m",
                "  virtual int m() const override { return x_; }",
            ),
        },
    ),
    CodeSample(
        "a.cs",
        """\
using System;
namespace A.B
{
    /// <summary>Doc</summary>
    [Serializable]
    public sealed class Foo<T> : Bar where T : new()
    {
        public int X { get; set; }
        public int Y { get { return 1; } }
        [Test] public async Task<int> M(int a) => await x;
        public Foo() { }
        public struct S { int a; }
        public record R(int A);
        interface I { void f(); }
    }
}
""",
        (
            (1, "namespace A.B"),
            (2, "public sealed class Foo<T> : Bar where T : new()"),
            (3, "public int Y"),
            (3, "public async Task<int> M(int a)"),
            (3, "public Foo()"),
            (3, "public struct S"),
            (3, "public record R(int A)"),
            (3, "interface I"),
        ),
        {
            "public sealed class Foo<T> : Bar where T : new()": (
                "/// <summary>Doc</summary>",
                "    }",
            ),
        },
    ),
    CodeSample(
        "a.go",
        """\
package main

// Repo holds.
type Repo struct {
\tx int
}

type (
\t// A doc
\tA struct{ x int }
\tB interface{ F() }
\tC int
)

// Get gets.
func (r *Repo) Get(id int) (string, error) {
\treturn "", nil
}
func main() { f := func() {}; f() }
""",
        (
            (1, "type Repo struct"),
            (1, "A struct"),
            (1, "B interface"),
            (1, "func (r *Repo) Get(id int) (string, error)"),
            (1, "func main()"),
        ),
        {
            "func (r *Repo) Get(id int) (string, error)": ("// Get gets.", "}"),
            "A struct": ("// A doc", "\tA struct{ x int }"),
        },
    ),
    CodeSample(
        "a.rs",
        """\
//! mod doc
/// Doc line 1
/// Doc line 2
#[derive(Debug)]
pub struct P { x: i32 }
impl<T: Foo> Bar for P<T> where T: X {
    /// new
    #[inline]
    pub fn new(x: i32) -> Self { P { x } }
}
pub trait T { fn a(&self); fn b(&self) -> i32 { 1 } }
macro_rules! m { () => {} }
mod inner { pub fn f() {} }
mod decl;
enum E { A, B }
""",
        (
            (1, "pub struct P"),
            (1, "impl<T: Foo> Bar for P<T> where T: X"),
            (2, "pub fn new(x: i32) -> Self"),
            (1, "pub trait T"),
            (1, "macro_rules! m"),
            (1, "mod inner"),
            (1, "enum E"),
        ),
        {
            "pub struct P": ("/// Doc line 1", "pub struct P { x: i32 }"),
            "pub fn new(x: i32) -> Self": ("/// new", "    pub fn new(x: i32) -> Self { P { x } }"),
        },
    ),
    CodeSample(
        "a.php",
        """\
<html><?php
namespace A\\B;
/** Doc */
#[Attr]
final class Foo extends Bar implements Baz {
    /** m */
    public static function m(int $a, ?string $b = null): ?array { return null; }
}
function f($x) { return function() {}; }
interface I { public function a(); }
trait T { }
?>
""",
        (
            (1, "final class Foo extends Bar implements Baz"),
            (2, "public static function m(int $a, ?string $b = null): ?array"),
            (1, "function f($x)"),
            (1, "interface I"),
            (1, "trait T"),
        ),
        {
            "final class Foo extends Bar implements Baz": ("/** Doc */", "}"),
            "public static function m(int $a, ?string $b = null): ?array": (
                "/** m */",
                "    public static function m(int $a, ?string $b = null): ?array { return null; }",
            ),
        },
    ),
    CodeSample(
        "a.rb",
        """\
# Doc
module A
  # class doc
  class B < C
    def m(a, b = 1, *c)
      a
    end
    def self.s; 1; end
    class << self
      def x
      end
    end
  end
end
""",
        (
            (1, "module A"),
            (2, "class B < C"),
            (3, "def m(a, b = 1, *c)"),
            (3, "def self.s"),
            (3, "class << self"),
            (4, "def x"),
        ),
        {
            "module A": ("# Doc", "end"),
            "class B < C": ("# class doc", "  end"),
        },
    ),
    CodeSample(
        "a.sh",
        """\
#!/bin/bash
# says
say() {
  echo hi
}
function other { true; }
""",
        (
            (1, "say()"),
            (1, "function other"),
        ),
        {
            "say()": ("# says", "}"),
        },
    ),
)
