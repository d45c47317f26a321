// SPDX-License-Identifier: GPL-3.0-or-later
// Recursive descent over a template's tokens, with Jinja's precedence. Recursion is bounded by the
// depth of the tree.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "engine/template/ast.h"
#include "engine/template/lexer.h"

namespace luthier::templates {

class Parser {
 public:
  Parser(std::vector<Token> tokens, std::string where)
      : tokens_(std::move(tokens)), where_(std::move(where)) {}
  Result<Template> run();

 private:
  using Words = std::initializer_list<std::string_view>;
  using Parsed = Result<ExprPtr>;

  // Tokens.
  const Token& now() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  void skip() { at_ = std::min(at_ + 1, tokens_.size() - 1); }
  bool is_operator(std::string_view text) const {
    return now().kind == Token::Kind::Operator && now().text == text;
  }
  bool is_name(std::string_view text) const {
    return now().kind == Token::Kind::Name && now().text == text;
  }
  bool take_operator(std::string_view text);
  bool take_name(std::string_view text);
  Status expect_operator(std::string_view text);
  Status expect_end_of_block();
  Result<std::string> expect_name();
  Error fail(const std::string& what) const;
  Error unexpected() const;

  // Statements (template_statements.cpp).
  Status parse_body(Body& body, Words ends);
  Result<std::unique_ptr<Stmt>> parse_statement();
  Result<std::unique_ptr<Stmt>> parse_if();
  Result<std::unique_ptr<Stmt>> parse_for();
  Result<std::unique_ptr<Stmt>> parse_set();
  Result<std::unique_ptr<Stmt>> parse_macro();
  Result<std::unique_ptr<Stmt>> parse_call_block();
  Result<std::unique_ptr<Stmt>> parse_filter_block();
  Result<std::unique_ptr<Stmt>> parse_with();
  Status parse_signature(std::vector<Parameter>& parameters);
  Status parse_end(Body& body, std::string_view end);

  // Expressions (parser.cpp).
  Parsed parse_target(bool with_namespace);
  Parsed parse_tuple(bool conditional, bool explicit_parentheses);
  Parsed parse_expression(bool conditional = true);
  Parsed parse_conditional();
  Parsed parse_or();
  Parsed parse_and();
  Parsed parse_not();
  Parsed parse_compare();
  Parsed parse_sum();
  Parsed parse_concat();
  Parsed parse_product();
  Parsed parse_power();
  Parsed parse_unary(bool with_filter);
  Parsed parse_primary();
  Parsed parse_list();
  Parsed parse_dict();
  Parsed parse_postfix(ExprPtr expression);
  Parsed parse_filters(ExprPtr expression);
  Parsed parse_filter_chain(ExprPtr expression, bool inline_first);
  Parsed parse_subscript(ExprPtr expression);
  Parsed parse_subscribed();
  Parsed parse_test(ExprPtr expression);
  Parsed parse_call(ExprPtr expression);
  Status parse_arguments(Arguments& arguments);
  Parsed binary(Expr::Kind kind, std::string text, ExprPtr left, ExprPtr right);
  /// Sets the node's depth from its parts; refuses too deep a tree.
  Parsed finish(ExprPtr expression) const;
  bool ends_tuple() const;

  std::vector<Token> tokens_;
  std::string where_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;    ///< of open statements and parenthesised expressions
  bool stop_at_in_ = false;  ///< in a loop's target
  bool has_generation_ = false;
};

inline ExprPtr new_expr(Expr::Kind kind, int line, std::string text = {}) {
  auto expression = std::make_unique<Expr>();
  expression->kind = kind;
  expression->line = line;
  expression->text = std::move(text);
  return expression;
}

}  // namespace luthier::templates
