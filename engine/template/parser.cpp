// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/template/parser.h"

#include <algorithm>
#include <array>

namespace luthier::templates {
namespace {

/// Counts open nested expressions while one is parsed.
class Deeper {
 public:
  explicit Deeper(std::size_t& depth) : depth_(depth) { ++depth_; }
  ~Deeper() { --depth_; }

 private:
  std::size_t& depth_;
};

std::size_t depth_of(const Arguments& arguments) {
  std::size_t depth = 0;
  for (const auto& argument : arguments.positional) depth = std::max(depth, argument->depth);
  for (const auto& [name, argument] : arguments.named) depth = std::max(depth, argument->depth);
  if (arguments.more_positional) depth = std::max(depth, arguments.more_positional->depth);
  if (arguments.more_named) depth = std::max(depth, arguments.more_named->depth);
  return depth;
}

}  // namespace

bool Parser::take_operator(std::string_view text) {
  const bool found = is_operator(text);
  if (found) skip();
  return found;
}

bool Parser::take_name(std::string_view text) {
  const bool found = is_name(text);
  if (found) skip();
  return found;
}

Error Parser::fail(const std::string& what) const {
  return input_error(what, where_ + ": line " + std::to_string(now().line));
}

Error Parser::unexpected() const {
  switch (now().kind) {
    case Token::Kind::End: return fail("The template ends too early.");
    case Token::Kind::VariableEnd: return fail("Unexpected end of an expression.");
    case Token::Kind::BlockEnd: return fail("Unexpected end of a tag.");
    default: return fail("Unexpected '" + now().text.substr(0, 60) + "'.");
  }
}

Status Parser::expect_operator(std::string_view text) {
  return take_operator(text) ? Status() : unexpected();
}

Result<std::string> Parser::expect_name() {
  if (now().kind != Token::Kind::Name) return unexpected();
  std::string name = now().text;
  if (name[0] >= '0' && name[0] <= '9') return unexpected();
  skip();
  return name;
}

Parser::Parsed Parser::finish(ExprPtr expression) const {
  std::size_t depth = depth_of(expression->arguments);
  for (const auto& child : expression->children) {
    if (child) depth = std::max(depth, child->depth);
  }
  expression->depth = depth + 1;
  if (expression->depth > kMaxTree) return fail("The expression is nested too deeply.");
  return expression;
}

Parser::Parsed Parser::binary(Expr::Kind kind, std::string text, ExprPtr left, ExprPtr right) {
  auto node = new_expr(kind, left->line, std::move(text));
  node->children.push_back(std::move(left));
  node->children.push_back(std::move(right));
  return finish(std::move(node));
}

bool Parser::ends_tuple() const {
  if (now().kind == Token::Kind::VariableEnd || now().kind == Token::Kind::BlockEnd ||
      is_operator(")"))
    return true;
  return stop_at_in_ && is_name("in");
}

Parser::Parsed Parser::parse_target(bool with_namespace) {
  const int line = now().line;
  std::vector<ExprPtr> names;
  bool tuple = false;
  while (!ends_tuple() && !is_operator("=")) {
    ExprPtr target;
    if (take_operator("(")) {
      const Deeper deeper(depth_);
      if (depth_ > kMaxTree) return fail("The expression is nested too deeply.");
      LUTHIER_TRY(target, parse_target(with_namespace));
      LUTHIER_CHECK(expect_operator(")"));
    } else {
      LUTHIER_TRY(std::string name, expect_name());
      if (name == "true" || name == "false" || name == "none" || name == "True" ||
          name == "False" || name == "None") {
        return fail("'" + name + "' cannot be set.");
      }
      target = new_expr(Expr::Kind::Name, line, std::move(name));
      if (with_namespace && take_operator(".")) {
        LUTHIER_TRY(std::string field, expect_name());
        auto object = std::move(target);
        target = new_expr(Expr::Kind::NamespaceField, line, std::move(field));
        target->children.push_back(std::move(object));
      }
    }
    names.push_back(std::move(target));
    if (!take_operator(",")) break;
    tuple = true;
  }
  if (names.empty()) return unexpected();
  if (!tuple) return std::move(names[0]);
  auto node = new_expr(Expr::Kind::Tuple, line);
  node->children = std::move(names);
  return finish(std::move(node));
}

Parser::Parsed Parser::parse_tuple(bool conditional, bool explicit_parentheses) {
  const int line = now().line;
  std::vector<ExprPtr> items;
  bool tuple = false;
  while (!ends_tuple()) {
    LUTHIER_TRY(ExprPtr item, parse_expression(conditional));
    items.push_back(std::move(item));
    if (!take_operator(",")) break;
    tuple = true;
  }
  if (!tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!explicit_parentheses) return unexpected();
  }
  auto node = new_expr(Expr::Kind::Tuple, line);
  node->children = std::move(items);
  return finish(std::move(node));
}

Parser::Parsed Parser::parse_expression(bool conditional) {
  const Deeper deeper(depth_);
  if (depth_ > kMaxTree) return fail("The expression is nested too deeply.");
  return conditional ? parse_conditional() : parse_or();
}

Parser::Parsed Parser::parse_conditional() {
  LUTHIER_TRY(ExprPtr value, parse_or());
  while (take_name("if")) {
    auto node = new_expr(Expr::Kind::Conditional, value->line);
    LUTHIER_TRY(ExprPtr test, parse_or());
    ExprPtr otherwise;
    if (take_name("else")) {
      LUTHIER_TRY(otherwise, parse_expression());
    }
    node->children.push_back(std::move(test));
    node->children.push_back(std::move(value));
    node->children.push_back(std::move(otherwise));
    LUTHIER_TRY(value, finish(std::move(node)));
  }
  return value;
}

Parser::Parsed Parser::parse_or() {
  LUTHIER_TRY(ExprPtr left, parse_and());
  while (take_name("or")) {
    LUTHIER_TRY(ExprPtr right, parse_and());
    LUTHIER_TRY(left, binary(Expr::Kind::Or, "or", std::move(left), std::move(right)));
  }
  return left;
}

Parser::Parsed Parser::parse_and() {
  LUTHIER_TRY(ExprPtr left, parse_not());
  while (take_name("and")) {
    LUTHIER_TRY(ExprPtr right, parse_not());
    LUTHIER_TRY(left, binary(Expr::Kind::And, "and", std::move(left), std::move(right)));
  }
  return left;
}

Parser::Parsed Parser::parse_not() {
  if (!is_name("not")) return parse_compare();
  const Deeper deeper(depth_);
  if (depth_ > kMaxTree) return fail("The expression is nested too deeply.");
  auto node = new_expr(Expr::Kind::Not, now().line);
  skip();
  LUTHIER_TRY(ExprPtr value, parse_not());
  node->children.push_back(std::move(value));
  return finish(std::move(node));
}

Parser::Parsed Parser::parse_compare() {
  LUTHIER_TRY(ExprPtr first, parse_sum());
  auto node = new_expr(Expr::Kind::Compare, first->line);
  node->children.push_back(std::move(first));
  static constexpr std::array<std::string_view, 6> kOperators = {"==", "!=", "<", "<=", ">", ">="};
  while (true) {
    std::string name;
    if (now().kind == Token::Kind::Operator &&
        std::find(kOperators.begin(), kOperators.end(), now().text) != kOperators.end()) {
      name = now().text;
      skip();
    } else if (take_name("in")) {
      name = "in";
    } else if (is_name("not") && next().kind == Token::Kind::Name && next().text == "in") {
      name = "not in";
      skip();
      skip();
    } else {
      break;
    }
    LUTHIER_TRY(ExprPtr operand, parse_sum());
    node->operators.push_back(std::move(name));
    node->children.push_back(std::move(operand));
  }
  if (node->operators.empty()) return std::move(node->children[0]);
  return finish(std::move(node));
}

Parser::Parsed Parser::parse_sum() {
  LUTHIER_TRY(ExprPtr left, parse_concat());
  while (is_operator("+") || is_operator("-")) {
    std::string name = now().text;
    skip();
    LUTHIER_TRY(ExprPtr right, parse_concat());
    LUTHIER_TRY(left,
                binary(Expr::Kind::Binary, std::move(name), std::move(left), std::move(right)));
  }
  return left;
}

Parser::Parsed Parser::parse_concat() {
  LUTHIER_TRY(ExprPtr first, parse_product());
  if (!is_operator("~")) return first;
  auto node = new_expr(Expr::Kind::Concat, first->line);
  node->children.push_back(std::move(first));
  while (take_operator("~")) {
    LUTHIER_TRY(ExprPtr part, parse_product());
    node->children.push_back(std::move(part));
  }
  return finish(std::move(node));
}

Parser::Parsed Parser::parse_product() {
  LUTHIER_TRY(ExprPtr left, parse_power());
  while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
    std::string name = now().text;
    skip();
    LUTHIER_TRY(ExprPtr right, parse_power());
    LUTHIER_TRY(left,
                binary(Expr::Kind::Binary, std::move(name), std::move(left), std::move(right)));
  }
  return left;
}

Parser::Parsed Parser::parse_power() {
  LUTHIER_TRY(ExprPtr left, parse_unary(true));
  while (take_operator("**")) {
    LUTHIER_TRY(ExprPtr right, parse_unary(true));
    LUTHIER_TRY(left, binary(Expr::Kind::Binary, "**", std::move(left), std::move(right)));
  }
  return left;
}

Parser::Parsed Parser::parse_unary(bool with_filter) {
  ExprPtr node;
  if (is_operator("-") || is_operator("+")) {
    const Deeper deeper(depth_);
    if (depth_ > kMaxTree) return fail("The expression is nested too deeply.");
    node = new_expr(is_operator("-") ? Expr::Kind::Negative : Expr::Kind::Positive, now().line);
    skip();
    LUTHIER_TRY(ExprPtr value, parse_unary(false));
    node->children.push_back(std::move(value));
    LUTHIER_TRY(node, finish(std::move(node)));
  } else {
    LUTHIER_TRY(node, parse_primary());
  }
  LUTHIER_TRY(node, parse_postfix(std::move(node)));
  return with_filter ? parse_filters(std::move(node)) : Parsed(std::move(node));
}

Parser::Parsed Parser::parse_primary() {
  const Token token = now();
  auto node = new_expr(Expr::Kind::Const, token.line);
  switch (token.kind) {
    case Token::Kind::Name: {
      LUTHIER_TRY(std::string name, expect_name());
      if (name == "true" || name == "True" || name == "false" || name == "False") {
        node->constant = Value(name == "true" || name == "True");
      } else if (name == "none" || name == "None") {
        node->constant = Value::none();
      } else {
        node->kind = Expr::Kind::Name;
        node->text = std::move(name);
      }
      return node;
    }
    case Token::Kind::String: {
      std::string text;
      for (; now().kind == Token::Kind::String; skip()) text += now().text;
      node->constant = Value(std::move(text));
      return node;
    }
    case Token::Kind::Integer:
      skip();
      node->constant = Value(token.integer);
      return node;
    case Token::Kind::Float:
      skip();
      node->constant = Value(token.number);
      return node;
    case Token::Kind::Operator: break;
    default: return unexpected();
  }
  if (token.text == "[") return parse_list();
  if (token.text == "{") return parse_dict();
  if (!take_operator("(")) return unexpected();
  const bool stop_at_in = std::exchange(stop_at_in_, false);
  LUTHIER_TRY(ExprPtr inner, parse_tuple(true, true));
  stop_at_in_ = stop_at_in;
  LUTHIER_CHECK(expect_operator(")"));
  return inner;
}

Parser::Parsed Parser::parse_list() {
  auto node = new_expr(Expr::Kind::List, now().line);
  LUTHIER_CHECK(expect_operator("["));
  while (!is_operator("]")) {
    LUTHIER_TRY(ExprPtr item, parse_expression());
    node->children.push_back(std::move(item));
    if (!take_operator(",")) break;
  }
  LUTHIER_CHECK(expect_operator("]"));
  return finish(std::move(node));
}

Parser::Parsed Parser::parse_dict() {
  auto node = new_expr(Expr::Kind::Dict, now().line);
  LUTHIER_CHECK(expect_operator("{"));
  while (!is_operator("}")) {
    LUTHIER_TRY(ExprPtr key, parse_expression());
    LUTHIER_CHECK(expect_operator(":"));
    LUTHIER_TRY(ExprPtr value, parse_expression());
    node->children.push_back(std::move(key));
    node->children.push_back(std::move(value));
    if (!take_operator(",")) break;
  }
  LUTHIER_CHECK(expect_operator("}"));
  return finish(std::move(node));
}

Parser::Parsed Parser::parse_postfix(ExprPtr expression) {
  while (true) {
    if (is_operator(".") || is_operator("[")) {
      LUTHIER_TRY(expression, parse_subscript(std::move(expression)));
    } else if (is_operator("(")) {
      LUTHIER_TRY(expression, parse_call(std::move(expression)));
    } else {
      return expression;
    }
  }
}

Parser::Parsed Parser::parse_filters(ExprPtr expression) {
  while (true) {
    if (is_operator("|")) {
      LUTHIER_TRY(expression, parse_filter_chain(std::move(expression), false));
    } else if (is_name("is")) {
      LUTHIER_TRY(expression, parse_test(std::move(expression)));
    } else if (is_operator("(")) {
      LUTHIER_TRY(expression, parse_call(std::move(expression)));
    } else {
      return expression;
    }
  }
}

/// `expression` may be null: the filter's input is then the text of a block.
Parser::Parsed Parser::parse_filter_chain(ExprPtr expression, bool inline_first) {
  while (is_operator("|") || inline_first) {
    if (!inline_first) skip();
    inline_first = false;
    auto node = new_expr(Expr::Kind::Filter, now().line);
    LUTHIER_TRY(node->text, expect_name());
    if (is_operator("(")) LUTHIER_CHECK(parse_arguments(node->arguments));
    node->children.push_back(std::move(expression));
    LUTHIER_TRY(expression, finish(std::move(node)));
  }
  return expression;
}

Parser::Parsed Parser::parse_subscript(ExprPtr expression) {
  const int line = now().line;
  if (take_operator(".")) {
    if (now().kind == Token::Kind::Integer) {
      auto index = new_expr(Expr::Kind::Const, line);
      index->constant = Value(now().integer);
      skip();
      return binary(Expr::Kind::Item, "", std::move(expression), std::move(index));
    }
    LUTHIER_TRY(std::string name, expect_name());
    auto node = new_expr(Expr::Kind::Attribute, line, std::move(name));
    node->children.push_back(std::move(expression));
    return finish(std::move(node));
  }
  LUTHIER_CHECK(expect_operator("["));
  std::vector<ExprPtr> items;
  bool tuple = false;
  while (!is_operator("]")) {
    LUTHIER_TRY(ExprPtr item, parse_subscribed());
    items.push_back(std::move(item));
    if (!take_operator(",")) break;
    tuple = true;
  }
  LUTHIER_CHECK(expect_operator("]"));
  if (items.size() == 1 && !tuple)
    return binary(Expr::Kind::Item, "", std::move(expression), std::move(items[0]));
  auto node = new_expr(Expr::Kind::Tuple, line);
  node->children = std::move(items);
  LUTHIER_TRY(ExprPtr index, finish(std::move(node)));
  return binary(Expr::Kind::Item, "", std::move(expression), std::move(index));
}

Parser::Parsed Parser::parse_subscribed() {
  auto slice = new_expr(Expr::Kind::Slice, now().line);
  slice->children.resize(3);
  if (!is_operator(":")) {
    LUTHIER_TRY(ExprPtr first, parse_expression());
    if (!is_operator(":")) return first;
    slice->children[0] = std::move(first);
  }
  for (std::size_t i = 1; i < 3 && take_operator(":"); ++i) {
    if (!is_operator(":") && !is_operator("]") && !is_operator(",")) {
      LUTHIER_TRY(slice->children[i], parse_expression());
    }
  }
  return finish(std::move(slice));
}

Parser::Parsed Parser::parse_test(ExprPtr expression) {
  const int line = now().line;
  skip();  // is
  const bool negated = take_name("not");
  auto node = new_expr(Expr::Kind::Test, line);
  LUTHIER_TRY(node->text, expect_name());
  const bool operand = now().kind == Token::Kind::Name || now().kind == Token::Kind::String ||
                       now().kind == Token::Kind::Integer || now().kind == Token::Kind::Float ||
                       is_operator("[") || is_operator("{");
  if (is_operator("(")) {
    LUTHIER_CHECK(parse_arguments(node->arguments));
  } else if (operand && !is_name("else") && !is_name("or") && !is_name("and")) {
    if (is_name("is")) return fail("Tests with 'is' cannot be chained.");
    LUTHIER_TRY(ExprPtr argument, parse_primary());
    LUTHIER_TRY(argument, parse_postfix(std::move(argument)));
    node->arguments.positional.push_back(std::move(argument));
  }
  node->children.push_back(std::move(expression));
  LUTHIER_TRY(node, finish(std::move(node)));
  if (!negated) return node;
  auto inverse = new_expr(Expr::Kind::Not, line);
  inverse->children.push_back(std::move(node));
  return finish(std::move(inverse));
}

Parser::Parsed Parser::parse_call(ExprPtr expression) {
  auto node = new_expr(Expr::Kind::Call, now().line);
  LUTHIER_CHECK(parse_arguments(node->arguments));
  node->children.push_back(std::move(expression));
  return finish(std::move(node));
}

Status Parser::parse_arguments(Arguments& arguments) {
  LUTHIER_CHECK(expect_operator("("));
  while (!is_operator(")")) {
    if (take_operator("*")) {
      if (arguments.more_positional || arguments.more_named)
        return fail("The call has two lists of arguments.");
      LUTHIER_TRY(arguments.more_positional, parse_expression());
    } else if (take_operator("**")) {
      if (arguments.more_named) return fail("The call has two sets of named arguments.");
      LUTHIER_TRY(arguments.more_named, parse_expression());
    } else if (now().kind == Token::Kind::Name && next().kind == Token::Kind::Operator &&
               next().text == "=") {
      if (arguments.more_named) return fail("A named argument must come before **.");
      LUTHIER_TRY(std::string name, expect_name());
      skip();
      LUTHIER_TRY(ExprPtr value, parse_expression());
      arguments.named.emplace_back(std::move(name), std::move(value));
    } else {
      if (!arguments.named.empty() || arguments.more_positional || arguments.more_named) {
        return fail("A positional argument must come before the named ones.");
      }
      LUTHIER_TRY(ExprPtr value, parse_expression());
      arguments.positional.push_back(std::move(value));
    }
    if (!take_operator(",")) break;
  }
  return expect_operator(")");
}

}  // namespace luthier::templates
