// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/template/eval.h"

namespace luthier::templates {

Result<Value> Evaluator::eval(const Expr& expression) {
  LUTHIER_CHECK(charge(1));
  if (depth_ + 1 > limits_.max_depth * kFramesALevel)
    return fail("The template calls itself too deeply.");
  ++depth_;
  auto result = eval_node(expression);
  --depth_;
  return result;
}

Result<Value> Evaluator::eval_node(const Expr& expression) {
  switch (expression.kind) {
    case Expr::Kind::Const: return expression.constant;
    case Expr::Kind::Name: return lookup(expression.text);
    case Expr::Kind::List: return eval_list(expression, List::Kind::List);
    case Expr::Kind::Tuple: return eval_list(expression, List::Kind::Tuple);
    case Expr::Kind::Dict: return eval_dict(expression);
    case Expr::Kind::Item: return eval_item(expression);
    case Expr::Kind::Call: return eval_call(expression);
    case Expr::Kind::Filter: return eval_filter(expression, nullptr);
    case Expr::Kind::Test: return eval_test(expression);
    case Expr::Kind::Compare: return eval_compare(expression);
    case Expr::Kind::Concat: return eval_concat(expression);
    case Expr::Kind::Conditional: return eval_conditional(expression);
    case Expr::Kind::Slice: return fail("A slice stands in brackets only.");
    default: break;
  }
  LUTHIER_TRY(Value first, eval(expression.child(0)));
  line_ = expression.line;
  switch (expression.kind) {
    case Expr::Kind::Attribute:
    case Expr::Kind::NamespaceField: return attribute(first, expression.text);
    case Expr::Kind::Not: return Value(!first.truthy());
    case Expr::Kind::Negative: return arithmetic("-", Value(std::int64_t{0}), first);
    case Expr::Kind::Positive: return arithmetic("+", Value(std::int64_t{0}), first);
    case Expr::Kind::And: return first.truthy() ? eval(expression.child(1)) : Out(std::move(first));
    case Expr::Kind::Or: return first.truthy() ? Out(std::move(first)) : eval(expression.child(1));
    default: break;
  }
  LUTHIER_TRY(const Value second, eval(expression.child(1)));
  line_ = expression.line;
  return arithmetic(expression.text, first, second);
}

Result<Value> Evaluator::eval_list(const Expr& expression, List::Kind kind) {
  List list;
  list.kind = kind;
  for (const auto& child : expression.children) {
    LUTHIER_TRY(Value value, eval(*child));
    list.add(std::move(value));
  }
  return list_value(std::move(list));
}

Result<Value> Evaluator::eval_dict(const Expr& expression) {
  Dict dict;
  for (std::size_t i = 0; i + 1 < expression.children.size(); i += 2) {
    LUTHIER_TRY(const Value key, eval(expression.child(i)));
    LUTHIER_TRY(Value value, eval(expression.child(i + 1)));
    if (!dict.set(key, std::move(value))) return type_error("This cannot be a key", key);
  }
  if (dict.nesting > kMaxNesting)
    return fail("Lists and mappings are nested more than 100 levels deep.");
  return Value(std::move(dict));
}

Result<Args> Evaluator::eval_arguments(const Arguments& arguments) {
  Args args;
  for (const auto& expression : arguments.positional) {
    LUTHIER_TRY(Value value, eval(*expression));
    args.positional.push_back(std::move(value));
  }
  for (const auto& [name, expression] : arguments.named) {
    LUTHIER_TRY(Value value, eval(*expression));
    args.named.emplace_back(name, std::move(value));
  }
  if (arguments.more_positional) {
    LUTHIER_TRY(const Value more, eval(*arguments.more_positional));
    LUTHIER_TRY(std::vector<Value> values, iterate(more));
    for (Value& value : values) args.positional.push_back(std::move(value));
  }
  if (arguments.more_named) {
    LUTHIER_TRY(const Value more, eval(*arguments.more_named));
    if (!more.is_dict()) return type_error("A mapping must follow **", more);
    for (const auto& [key, value] : more.dict().items) {
      if (!key.is_string()) return type_error("Names of arguments are strings", key);
      args.named.emplace_back(key.string(), value);
    }
  }
  return args;
}

Result<Value> Evaluator::eval_call(const Expr& expression) {
  const Expr& callee = expression.child(0);
  if (callee.kind == Expr::Kind::Attribute) {
    LUTHIER_TRY(const Value self, eval(callee.child(0)));
    if (has_method(self, callee.text)) {
      LUTHIER_TRY(const Args args, eval_arguments(expression.arguments));
      line_ = expression.line;
      return call_method(self, callee.text, args);
    }
    line_ = expression.line;
    LUTHIER_TRY(const Value function, attribute(self, callee.text));
    LUTHIER_TRY(Args args, eval_arguments(expression.arguments));
    line_ = expression.line;
    return call(function, std::move(args));
  }
  LUTHIER_TRY(const Value function, eval(callee));
  LUTHIER_TRY(Args args, eval_arguments(expression.arguments));
  line_ = expression.line;
  return call(function, std::move(args));
}

/// `input`: the text of a block, where the chain's first filter has no expression before it.
Result<Value> Evaluator::eval_filter(const Expr& expression, const Value* input) {
  Value value;
  if (!expression.children[0]) {
    if (input) value = *input;
  } else if (input && expression.child(0).kind == Expr::Kind::Filter) {
    LUTHIER_TRY(value, eval_filter(expression.child(0), input));
  } else {
    LUTHIER_TRY(value, eval(expression.child(0)));
  }
  LUTHIER_TRY(const Args args, eval_arguments(expression.arguments));
  line_ = expression.line;
  return apply_filter(expression.text, value, args);
}

Result<Value> Evaluator::eval_test(const Expr& expression) {
  LUTHIER_TRY(const Value value, eval(expression.child(0)));
  LUTHIER_TRY(const Args args, eval_arguments(expression.arguments));
  line_ = expression.line;
  LUTHIER_TRY(const bool holds, apply_test(expression.text, value, args));
  return Value(holds);
}

Result<Value> Evaluator::eval_item(const Expr& expression) {
  LUTHIER_TRY(const Value value, eval(expression.child(0)));
  const Expr& index = expression.child(1);
  if (index.kind != Expr::Kind::Slice) {
    LUTHIER_TRY(const Value key, eval(index));
    line_ = expression.line;
    return item(value, key);
  }
  Value bounds[3];
  for (std::size_t i = 0; i < 3; ++i) {
    if (index.children[i]) {
      LUTHIER_TRY(bounds[i], eval(index.child(i)));
    }
  }
  line_ = expression.line;
  const auto bound = [&](std::size_t i) {
    return index.children[i] && !bounds[i].is_none() ? &bounds[i] : nullptr;
  };
  return slice(value, bound(0), bound(1), bound(2));
}

Result<Value> Evaluator::eval_compare(const Expr& expression) {
  LUTHIER_TRY(Value left, eval(expression.child(0)));
  for (std::size_t i = 0; i < expression.operators.size(); ++i) {
    const std::string& name = expression.operators[i];
    LUTHIER_TRY(Value right, eval(expression.child(i + 1)));
    line_ = expression.line;
    Result<bool> holds = true;
    if (name == "==" || name == "!=") {
      holds = equals(left, right);
    } else if (name == "in" || name == "not in") {
      holds = contains(right, left);
    } else if (name == "<" || name == ">=") {
      holds = less(left, right);
    } else {
      holds = less(right, left);
    }
    if (!holds) return holds.error();
    const bool inverted = name == "!=" || name == "not in" || name == ">=" || name == "<=";
    if (*holds == inverted) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Result<Value> Evaluator::eval_concat(const Expr& expression) {
  std::string text;
  for (const auto& child : expression.children) {
    LUTHIER_TRY(const Value value, eval(*child));
    LUTHIER_TRY(const std::string part, text_of(value));
    LUTHIER_CHECK(check_size(text.size() + part.size()));
    text += part;
  }
  return Value(std::move(text));
}

Result<Value> Evaluator::eval_conditional(const Expr& expression) {
  LUTHIER_TRY(const Value test, eval(expression.child(0)));
  if (test.truthy()) return eval(expression.child(1));
  if (expression.children[2]) return eval(expression.child(2));
  return Value::undefined("the value of an 'if' without 'else'");
}

}  // namespace luthier::templates
