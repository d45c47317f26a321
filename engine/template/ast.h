// SPDX-License-Identifier: GPL-3.0-or-later
// A parsed chat template. Trees are no deeper than kMaxTree, so walking them needs little stack.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/template/value.h"

namespace luthier::templates {

inline constexpr std::size_t kMaxTree = 160;

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Body = std::vector<std::unique_ptr<Stmt>>;

struct Arguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr more_positional;  ///< *args
  ExprPtr more_named;       ///< **kwargs
};

struct Expr {
  enum class Kind : std::uint8_t {
    Const,
    Name,
    NamespaceField,
    List,
    Tuple,
    Dict,
    Attribute,
    Item,
    Slice,
    Call,
    Filter,
    Test,
    Not,
    Negative,
    Positive,
    Binary,
    Compare,
    And,
    Or,
    Concat,
    Conditional
  };
  Kind kind = Kind::Const;
  int line = 1;
  std::size_t depth = 1;
  std::string text;  ///< name, attribute, operator, filter or test
  Value constant;
  std::vector<ExprPtr> children;  ///< operands; Dict: key, value, ...; Slice: three, some null;
                                  ///< Conditional: test, then, else or null
  std::vector<std::string> operators;  ///< Compare: one between each two children
  Arguments arguments;                 ///< Call, Filter, Test

  const Expr& child(std::size_t i) const { return *children[i]; }
};

struct Parameter {
  std::string name;
  ExprPtr fallback;  ///< null: none
};

struct Stmt {
  enum class Kind : std::uint8_t {
    Data,
    Print,
    If,
    For,
    Set,
    SetBlock,
    Macro,
    CallBlock,
    FilterBlock,
    With,
    Generation,
    Break,
    Continue
  };
  Kind kind = Kind::Data;
  int line = 1;
  std::string text;  ///< data, macro's name
  ExprPtr target;    ///< Set, For
  ExprPtr value;  ///< Print, Set, For's iterable, CallBlock's call, filters (their input is null)
  ExprPtr test;   ///< For's condition
  std::vector<std::pair<ExprPtr, Body>> branches;     ///< If: condition and body
  std::vector<std::pair<ExprPtr, ExprPtr>> bindings;  ///< With
  std::vector<Parameter> parameters;                  ///< Macro, CallBlock
  bool recursive = false;
  Body body;
  Body otherwise;  ///< If, For
};

struct Template {
  Body body;
  bool has_generation = false;
};

/// Parses a whole template. Errors name `where` and the line.
Result<Template> parse_template(std::string_view source, const std::string& where);

}  // namespace luthier::templates
