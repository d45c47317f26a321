// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/template/eval.h"

#include <algorithm>

namespace luthier::templates {
namespace {

constexpr std::size_t kBytesAStep = 64;  // of any text that is made

/// Restores a value when a scope is left.
template <class T>
class Restore {
 public:
  Restore(T& place, T value) : place_(place), old_(std::exchange(place, std::move(value))) {}
  ~Restore() { place_ = std::move(old_); }
  Restore(const Restore&) = delete;

 private:
  T& place_;
  T old_;
};

}  // namespace

Evaluator::Evaluator(const Template& source, const std::string& where, const TemplateLimits& limits)
    : template_(source), where_(where), limits_(limits) {}

Error Evaluator::fail(const std::string& what) const {
  return input_error(what, where_ + ": line " + std::to_string(line_));
}

Error Evaluator::undefined_error(const Value& value) const {
  return fail(value.undefined_name() + " is undefined.");
}

Status Evaluator::charge(std::size_t steps) {
  steps_ += steps;
  if (steps_ > limits_.max_steps) {
    return input_error("The template does too much work: more than " +
                           std::to_string(limits_.max_steps) + " steps.",
                       where_ + ": line " + std::to_string(line_), "It may loop without end.");
  }
  return {};
}

Status Evaluator::check_size(std::size_t bytes) {
  if (bytes > limits_.max_output) {
    return input_error(
        "The template makes more than " + std::to_string(limits_.max_output) + " bytes of text.",
        where_ + ": line " + std::to_string(line_));
  }
  return charge(bytes / kBytesAStep);
}

Result<Value> Evaluator::text_value(std::string text) {
  LUTHIER_CHECK(check_size(text.size()));
  return Value(std::move(text));
}

Result<Value> Evaluator::list_value(List list) {
  LUTHIER_CHECK(charge(list.items.size()));
  if (list.nesting > kMaxNesting)
    return fail("Lists and mappings are nested more than 100 levels deep.");
  return Value(std::move(list));
}

Result<RenderedChat> Evaluator::run(const Json& variables) {
  globals_ = std::make_shared<Scope>();
  for (const char* name : {"range", "dict", "namespace", "raise_exception", "strftime_now"}) {
    auto* function = make_object<Function>();
    function->name = name;
    globals_->names[name] = Value(function);
  }
  if (!variables.is_object()) return fail("The variables of a template are an object.");
  for (const auto& [name, json] : variables.items()) {
    Value value;
    if (!from_json(json, value)) return fail("The variable '" + name + "' is nested too deeply.");
    globals_->names[name] = std::move(value);
  }
  scope_ = std::make_shared<Scope>();
  scope_->parent = globals_;
  LUTHIER_TRY(const Flow flow, run_body(template_.body));
  if (flow != Flow::Next) return fail("break and continue stand in loops only.");
  return RenderedChat{std::move(root_), std::move(generation_)};
}

ScopeRef Evaluator::inner_scope() const {
  auto scope = std::make_shared<Scope>();
  scope->parent = scope_;
  return scope;
}

Status Evaluator::write(std::string_view text) {
  LUTHIER_CHECK(charge(text.size() / kBytesAStep));
  if (out_->size() + text.size() > limits_.max_output)
    LUTHIER_CHECK(check_size(out_->size() + text.size()));
  out_->append(text);
  return {};
}

Result<Evaluator::Flow> Evaluator::run_body(const Body& body) {
  for (const auto& statement : body) {
    line_ = statement->line;
    LUTHIER_TRY(const Flow flow, run_statement(*statement));
    if (flow != Flow::Next) return flow;
  }
  return Flow::Next;
}

Result<Evaluator::Flow> Evaluator::run_statement(const Stmt& statement) {
  LUTHIER_CHECK(charge(1));
  const Restore restore(depth_, depth_ + 1);
  if (depth_ > limits_.max_depth * kFramesALevel)
    return fail("The template calls itself too deeply.");
  switch (statement.kind) {
    case Stmt::Kind::Data: LUTHIER_CHECK(write(statement.text)); return Flow::Next;
    case Stmt::Kind::If: return run_if(statement);
    case Stmt::Kind::For: return run_for(statement);
    case Stmt::Kind::Break: return Flow::Break;
    case Stmt::Kind::Continue: return Flow::Continue;
    case Stmt::Kind::SetBlock:
    case Stmt::Kind::FilterBlock: LUTHIER_CHECK(run_set_block(statement)); return Flow::Next;
    case Stmt::Kind::CallBlock: LUTHIER_CHECK(run_call_block(statement)); return Flow::Next;
    case Stmt::Kind::With: LUTHIER_CHECK(run_with(statement)); return Flow::Next;
    case Stmt::Kind::Generation: LUTHIER_CHECK(run_generation(statement)); return Flow::Next;
    case Stmt::Kind::Print: {
      LUTHIER_TRY(const Value value, eval(*statement.value));
      LUTHIER_TRY(const std::string text, text_of(value));
      LUTHIER_CHECK(write(text));
      return Flow::Next;
    }
    case Stmt::Kind::Set: {
      LUTHIER_TRY(const Value value, eval(*statement.value));
      LUTHIER_CHECK(assign(*statement.target, value));
      return Flow::Next;
    }
    case Stmt::Kind::Macro: {
      auto* macro = make_object<Macro>();
      macro->name = statement.text;
      macro->parameters = &statement.parameters;
      macro->body = &statement.body;
      macro->scope = scope_;
      scope_->names[statement.text] = Value(macro);
      return Flow::Next;
    }
  }
  return Flow::Next;
}

Result<Evaluator::Flow> Evaluator::run_if(const Stmt& statement) {
  for (const auto& [test, body] : statement.branches) {
    LUTHIER_TRY(const Value value, eval(*test));
    if (value.truthy()) return run_body(body);
  }
  return run_body(statement.otherwise);
}

Result<Evaluator::Flow> Evaluator::run_for(const Stmt& statement) {
  LUTHIER_TRY(const Value iterable, eval(*statement.value));
  LUTHIER_TRY(std::vector<Value> items, iterate(iterable));
  LUTHIER_CHECK(charge(4 + items.size()));
  if (statement.test) {
    std::vector<Value> kept;
    for (Value& value : items) {
      const Restore restore(scope_, inner_scope());
      LUTHIER_CHECK(assign(*statement.target, value));
      LUTHIER_TRY(const Value wanted, eval(*statement.test));
      if (wanted.truthy()) kept.push_back(std::move(value));
    }
    items = std::move(kept);
  }
  if (items.empty()) {
    const Restore restore(scope_, inner_scope());
    return run_body(statement.otherwise);
  }
  auto* loop = make_object<Loop>();
  loop->items = &items;
  Flow result = Flow::Next;
  for (std::size_t i = 0; i < items.size() && result != Flow::Break; ++i) {
    const Restore restore(scope_, inner_scope());
    loop->index = i;
    LUTHIER_CHECK(assign(*statement.target, items[i]));
    scope_->names["loop"] = Value(loop);
    auto flow = run_body(statement.body);
    if (!flow) {
      loop->items = nullptr;
      return flow.error();
    }
    result = *flow;
  }
  loop->items = nullptr;  // a template may have kept the loop object
  return Flow::Next;
}

Result<std::string> Evaluator::captured(const Body& body, ScopeRef scope) {
  std::string text;
  const Restore restore_scope(scope_, std::move(scope));
  const Restore restore_out(out_, &text);
  LUTHIER_TRY(const Flow flow, run_body(body));
  if (flow != Flow::Next) return fail("break and continue cannot leave a block.");
  return text;
}

/// {% set x %}...{% endset %} and {% filter x %}...{% endfilter %}.
Status Evaluator::run_set_block(const Stmt& statement) {
  LUTHIER_TRY(std::string text, captured(statement.body, inner_scope()));
  Value value(std::move(text));
  if (statement.value) {
    LUTHIER_TRY(value, eval_filter(*statement.value, &value));
  }
  if (statement.target) return assign(*statement.target, value);
  LUTHIER_TRY(const std::string filtered, text_of(value));
  return write(filtered);
}

Status Evaluator::run_call_block(const Stmt& statement) {
  auto* caller = make_object<Macro>();
  caller->name = "caller";
  caller->parameters = &statement.parameters;
  caller->body = &statement.body;
  caller->scope = scope_;
  const Expr& expression = *statement.value;
  LUTHIER_TRY(const Value callee, eval(expression.child(0)));
  LUTHIER_TRY(Args args, eval_arguments(expression.arguments));
  args.named.emplace_back("caller", Value(caller));
  LUTHIER_TRY(const Value value, call(callee, std::move(args)));
  LUTHIER_TRY(const std::string text, text_of(value));
  return write(text);
}

Status Evaluator::run_with(const Stmt& statement) {
  ScopeRef inner = inner_scope();
  std::vector<Value> values;
  for (const auto& [target, expression] : statement.bindings) {
    LUTHIER_TRY(Value value, eval(*expression));
    values.push_back(std::move(value));
  }
  const Restore restore(scope_, std::move(inner));
  for (std::size_t i = 0; i < values.size(); ++i)
    LUTHIER_CHECK(assign(*statement.bindings[i].first, values[i]));
  LUTHIER_TRY(const Flow flow, run_body(statement.body));
  return flow == Flow::Next ? Status() : Status(fail("break and continue cannot leave a block."));
}

/// As transformers counts: the block begins where the finished output ends.
Status Evaluator::run_generation(const Stmt& statement) {
  const std::size_t begin = root_.size();
  LUTHIER_TRY(const std::string text, captured(statement.body, inner_scope()));
  LUTHIER_CHECK(charge(1));
  generation_.emplace_back(begin, begin + text.size());
  return write(text);
}

Status Evaluator::assign(const Expr& target, const Value& value) {
  if (target.kind == Expr::Kind::Name) {
    scope_->names[target.text] = value;
    return {};
  }
  if (target.kind == Expr::Kind::NamespaceField) {
    const Value object = lookup(target.child(0).text);
    auto* space = object.is_object() ? dynamic_cast<Namespace*>(object.object()) : nullptr;
    if (!space)
      return fail("'" + target.child(0).text +
                  "' is no namespace; only namespaces have attributes that can be set.");
    space->fields[target.text] = value;
    return {};
  }
  LUTHIER_TRY(const std::vector<Value> items, iterate(value));
  if (items.size() != target.children.size()) {
    return fail("There are " + std::to_string(items.size()) + " values for " +
                std::to_string(target.children.size()) + " names.");
  }
  for (std::size_t i = 0; i < items.size(); ++i) LUTHIER_CHECK(assign(target.child(i), items[i]));
  return {};
}

Value Evaluator::lookup(const std::string& name) const {
  for (const Scope* scope = scope_.get(); scope; scope = scope->parent.get()) {
    if (const auto found = scope->names.find(name); found != scope->names.end())
      return found->second;
  }
  return Value::undefined("'" + name + "'");
}

Result<Value> Evaluator::call(const Value& callee, Args args) {
  if (callee.is_undefined()) return undefined_error(callee);
  if (!callee.is_object() || !callee.object()->callable())
    return type_error("This cannot be called", callee);
  if (const auto* macro = dynamic_cast<const Macro*>(callee.object()))
    return call_macro(*macro, std::move(args));
  const auto& function = static_cast<const Function&>(*callee.object());
  return function.is_method ? call_method(function.self, function.name, args)
                            : call_function(function.name, args);
}

Result<Value> Evaluator::call_macro(const Macro& macro, Args args) {
  const Restore restore_depth(macro_depth_, macro_depth_ + 1);
  if (macro_depth_ > limits_.max_depth)
    return fail("The macro '" + macro.name + "' calls itself too deeply.");
  auto scope = std::make_shared<Scope>();
  scope->parent = macro.scope;
  const Restore restore_scope(scope_, scope);
  List varargs;
  varargs.kind = List::Kind::Tuple;
  Dict kwargs;
  for (std::size_t i = macro.parameters->size(); i < args.positional.size(); ++i)
    varargs.add(args.positional[i]);
  for (auto& [name, value] : args.named) {
    const bool known =
        name == "caller" ||
        std::any_of(macro.parameters->begin(), macro.parameters->end(),
                    [&name = name](const Parameter& parameter) { return parameter.name == name; });
    if (known) {
      scope->names[name] = value;
    } else {
      kwargs.set(Value(name), value);
    }
  }
  for (std::size_t i = 0; i < macro.parameters->size(); ++i) {
    const Parameter& parameter = (*macro.parameters)[i];
    if (i < args.positional.size()) {
      if (scope->names.contains(parameter.name))
        return fail("The macro '" + macro.name + "' got '" + parameter.name + "' twice.");
      scope->names[parameter.name] = args.positional[i];
    } else if (!scope->names.contains(parameter.name)) {
      Value value = Value::undefined("parameter '" + parameter.name + "'");
      if (parameter.fallback) {
        LUTHIER_TRY(value, eval(*parameter.fallback));
      }
      scope->names[parameter.name] = std::move(value);
    }
  }
  LUTHIER_TRY(scope->names["varargs"], list_value(std::move(varargs)));
  scope->names["kwargs"] = Value(std::move(kwargs));
  LUTHIER_TRY(std::string text, captured(*macro.body, scope));
  return text_value(std::move(text));
}

Result<std::vector<const Value*>> Evaluator::bind(const Args& args, Names names,
                                                  const std::string& function) {
  std::vector<const Value*> bound(names.size(), nullptr);
  if (args.positional.size() > names.size())
    return fail("'" + function + "' takes at most " + std::to_string(names.size()) + " arguments.");
  for (std::size_t i = 0; i < args.positional.size(); ++i) bound[i] = &args.positional[i];
  for (const auto& [name, value] : args.named) {
    const auto found = std::find_if(names.begin(), names.end(),
                                    [&name = name](const char* known) { return name == known; });
    if (found == names.end()) return fail("'" + function + "' has no argument '" + name + "'.");
    const Value*& place = bound[static_cast<std::size_t>(found - names.begin())];
    if (place) return fail("'" + function + "' got '" + name + "' twice.");
    place = &value;
  }
  return bound;
}

}  // namespace luthier::templates
