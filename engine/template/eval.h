// SPDX-License-Identifier: GPL-3.0-or-later
// Walks a parsed template. Every step, every byte made and every level of nesting is counted
// against the limits, so that no template can hold the machine; there is no way from its values to
// anything else of the program.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/template/ast.h"
#include "engine/template/chat_template.h"

namespace luthier::templates {

/// Evaluation frames for each level of TemplateLimits::max_depth.
inline constexpr std::size_t kFramesALevel = 5;

/// The arguments of a call, evaluated.
struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

struct Scope {
  std::shared_ptr<Scope> parent;
  std::unordered_map<std::string, Value> names;
};
using ScopeRef = std::shared_ptr<Scope>;

/// namespace(...): the one thing that templates can change.
class Namespace : public Object {
 public:
  std::unordered_map<std::string, Value> fields;
  std::string type_name() const override { return "Namespace"; }
};

class Macro : public Object {
 public:
  std::string name;
  const std::vector<Parameter>* parameters = nullptr;
  const Body* body = nullptr;
  ScopeRef scope;
  std::string type_name() const override { return "Macro"; }
  bool callable() const override { return true; }
};

/// The `loop` variable.
class Loop : public Object {
 public:
  std::size_t index = 0;
  const std::vector<Value>* items = nullptr;
  Value last_changed;
  bool changed_before = false;
  std::string type_name() const override { return "LoopContext"; }
};

/// A function of the environment, or a method with the value that it belongs to.
class Function : public Object {
 public:
  std::string name;
  bool is_method = false;
  Value self;
  std::string type_name() const override {
    return is_method ? "builtin_function_or_method" : "function";
  }
  bool callable() const override { return true; }
};

class Evaluator {
 public:
  Evaluator(const Template& source, const std::string& where, const TemplateLimits& limits);
  Result<RenderedChat> run(const Json& variables);

 private:
  using Out = Result<Value>;
  using Names = std::initializer_list<const char*>;
  enum class Flow : std::uint8_t { Next, Break, Continue };

  // Counting (eval.cpp).
  Error fail(const std::string& what) const;
  Error type_error(const std::string& what, const Value& value) const {
    return fail(what + " (" + value.type_name() + ").");
  }
  Error undefined_error(const Value& value) const;
  Status charge(std::size_t steps);
  Status check_size(std::size_t bytes);
  Result<Value> text_value(std::string text);
  Result<Value> list_value(List list);

  // Statements.
  Result<Flow> run_body(const Body& body);
  Result<Flow> run_statement(const Stmt& statement);
  Result<Flow> run_if(const Stmt& statement);
  Result<Flow> run_for(const Stmt& statement);
  Status run_set_block(const Stmt& statement);
  Status run_call_block(const Stmt& statement);
  Status run_with(const Stmt& statement);
  Status run_generation(const Stmt& statement);
  Status write(std::string_view text);
  Status assign(const Expr& target, const Value& value);
  /// The output of a body in a scope of its own.
  Result<std::string> captured(const Body& body, ScopeRef scope);
  ScopeRef inner_scope() const;

  // Expressions.
  Out eval(const Expr& expression);
  Out eval_node(const Expr& expression);
  Out eval_list(const Expr& expression, List::Kind kind);
  Out eval_dict(const Expr& expression);
  Out eval_call(const Expr& expression);
  Out eval_filter(const Expr& expression, const Value* input);
  Out eval_test(const Expr& expression);
  Out eval_item(const Expr& expression);
  Out eval_compare(const Expr& expression);
  Out eval_concat(const Expr& expression);
  Out eval_conditional(const Expr& expression);
  Result<Args> eval_arguments(const Arguments& arguments);
  Value lookup(const std::string& name) const;
  Out call(const Value& callee, Args args);
  Out call_macro(const Macro& macro, Args args);
  /// The arguments by parameter, nullptr where not given; an error on any other.
  Result<std::vector<const Value*>> bind(const Args& args, Names names,
                                         const std::string& function);

  // Operators (template_operators.cpp).
  Out attribute(const Value& value, const std::string& name);
  Out loop_attribute(const Loop& loop, const std::string& name);
  Out item(const Value& value, const Value& key);
  Out slice(const Value& value, const Value* begin, const Value* end, const Value* step);
  Out arithmetic(const std::string& op, const Value& left, const Value& right);
  Out integer_arithmetic(const std::string& op, std::int64_t left, std::int64_t right);
  Out repeat(const Value& sequence, std::int64_t count);
  Result<bool> equals(const Value& left, const Value& right);
  Result<bool> less(const Value& left, const Value& right);
  Result<bool> contains(const Value& container, const Value& value);
  Result<std::string> text_of(const Value& value);
  Status append_repr(const Value& value, std::string& text);
  Result<std::vector<Value>> iterate(const Value& value);
  Result<std::size_t> length(const Value& value);
  Out printf_format(const std::string& format, const std::vector<Value>& values);

  // Filters (template_filters.cpp, template_list_filters.cpp), tests, methods and functions.
  Out apply_filter(const std::string& name, const Value& input, const Args& args);
  Out apply_text_filter(const std::string& name, const Value& input, const Args& args, bool& known);
  Out apply_list_filter(const std::string& name, const Value& input, const Args& args, bool& known);
  Out filter_number(const std::string& name, const Value& input, const Args& args);
  Out filter_indent(const Value& input, const Args& args);
  Out filter_join(const Value& input, const Args& args);
  Out filter_map(const Value& input, const Args& args);
  Out filter_select(const std::string& name, const Value& input, const Args& args);
  Out filter_sort(const Value& input, const Args& args);
  Out filter_dictsort(const Value& input, const Args& args);
  Out filter_unique(const Value& input, const Args& args);
  Out filter_extreme(const std::string& name, const Value& input, const Args& args);
  Out filter_batch(const Value& input, const Args& args);
  Out filter_groupby(const Value& input, const Args& args);
  Out filter_sum(const Value& input, const Args& args);
  Out path_of(const Value& value, const Value& path);
  Status sort_values(std::vector<std::pair<Value, Value>>& keyed, bool reverse);
  Out filter_tojson(const Value& input, const Args& args);
  Status append_json(const Value& value, std::string& text, const struct JsonStyle& style,
                     std::size_t level);
  Result<bool> apply_test(const std::string& name, const Value& input, const Args& args);
  bool has_method(const Value& value, const std::string& name) const;
  Out call_method(const Value& self, const std::string& name, const Args& args);
  Out string_method(const std::string& self, const std::string& name, const Args& args);
  Out split_string(const std::string& self, const std::string& name, const Args& args);
  Out brace_format(const std::string& format, const Args& args);
  Out dict_method(const Value& self, const std::string& name, const Args& args);
  Out list_method(const Value& self, const std::string& name, const Args& args);
  Out call_function(const std::string& name, const Args& args);
  Out function_range(const Args& args);

  template <class T>
  T* make_object() {
    auto object = std::make_unique<T>();
    T* raw = object.get();
    objects_.push_back(std::move(object));
    return raw;
  }

  const Template& template_;
  const std::string& where_;
  const TemplateLimits limits_;
  std::size_t steps_ = 0, depth_ = 0, macro_depth_ = 0;
  int line_ = 1;
  ScopeRef globals_, scope_;
  std::string root_;  ///< what is rendered for good
  std::string* out_ = &root_;
  std::vector<std::pair<std::size_t, std::size_t>> generation_;
  std::vector<std::unique_ptr<Object>> objects_;
};

/// Case folding, splitting and such that several files need.
std::string strip(std::string_view text, const std::string* characters, bool left, bool right);
std::vector<std::string> split_lines(std::string_view text);
/// The bytes of the `index`-th character.
std::size_t byte_of_character(std::string_view text, std::size_t index);
std::string capitalized(std::string_view text);

}  // namespace luthier::templates
