// SPDX-License-Identifier: GPL-3.0-or-later
#include <utility>

#include "engine/template/parser.h"

namespace luthier::templates {

using Parsed = Result<std::unique_ptr<Stmt>>;

namespace {

std::unique_ptr<Stmt> new_stmt(Stmt::Kind kind, int line) {
  auto statement = std::make_unique<Stmt>();
  statement->kind = kind;
  statement->line = line;
  return statement;
}

}  // namespace

Result<Template> parse_template(std::string_view source, const std::string& where) {
  LUTHIER_TRY(std::vector<Token> tokens, tokenize(source, where));
  return Parser(std::move(tokens), where).run();
}

Result<Template> Parser::run() {
  Template result;
  LUTHIER_CHECK(parse_body(result.body, {}));
  if (now().kind != Token::Kind::End) return unexpected();
  result.has_generation = has_generation_;
  return result;
}

Status Parser::expect_end_of_block() {
  if (now().kind != Token::Kind::BlockEnd) return unexpected();
  skip();
  return {};
}

/// Statements up to a tag that starts with one of `ends`, whose name is the current token then.
Status Parser::parse_body(Body& body, Words ends) {
  if (++depth_ > kMaxTree) return fail("The template is nested too deeply.");
  while (now().kind != Token::Kind::End) {
    if (now().kind == Token::Kind::Data) {
      auto data = new_stmt(Stmt::Kind::Data, now().line);
      data->text = now().text;
      skip();
      body.push_back(std::move(data));
    } else if (now().kind == Token::Kind::VariableBegin) {
      auto print = new_stmt(Stmt::Kind::Print, now().line);
      skip();
      LUTHIER_TRY(print->value, parse_tuple(true, false));
      if (now().kind != Token::Kind::VariableEnd) return unexpected();
      skip();
      body.push_back(std::move(print));
    } else if (now().kind == Token::Kind::BlockBegin) {
      skip();
      for (const std::string_view end : ends) {
        if (is_name(end)) {
          --depth_;
          return {};
        }
      }
      LUTHIER_TRY(auto statement, parse_statement());
      body.push_back(std::move(statement));
      LUTHIER_CHECK(expect_end_of_block());
    } else {
      return unexpected();
    }
  }
  if (ends.size() > 0)
    return fail("The template ends before {% " + std::string(*(ends.end() - 1)) + " %}.");
  --depth_;
  return {};
}

/// The rest of a tag, the body, and the name of the closing tag.
Status Parser::parse_end(Body& body, std::string_view end) {
  LUTHIER_CHECK(expect_end_of_block());
  LUTHIER_CHECK(parse_body(body, {end}));
  skip();
  return {};
}

Parsed Parser::parse_statement() {
  const int line = now().line;
  if (now().kind != Token::Kind::Name) return unexpected();
  const std::string name = now().text;
  if (name == "if") return parse_if();
  if (name == "for") return parse_for();
  if (name == "set") return parse_set();
  if (name == "macro") return parse_macro();
  if (name == "call") return parse_call_block();
  if (name == "filter") return parse_filter_block();
  if (name == "with") return parse_with();
  if (name == "break" || name == "continue") {
    skip();
    return new_stmt(name == "break" ? Stmt::Kind::Break : Stmt::Kind::Continue, line);
  }
  if (name == "generation") {
    skip();
    has_generation_ = true;
    auto statement = new_stmt(Stmt::Kind::Generation, line);
    LUTHIER_CHECK(parse_end(statement->body, "endgeneration"));
    return statement;
  }
  return fail("The tag '" + name + "' is not known, or stands in the wrong place.");
}

Parsed Parser::parse_if() {
  auto statement = new_stmt(Stmt::Kind::If, now().line);
  skip();
  while (true) {
    LUTHIER_TRY(ExprPtr test, parse_tuple(false, false));
    LUTHIER_CHECK(expect_end_of_block());
    statement->branches.emplace_back(std::move(test), Body());
    LUTHIER_CHECK(parse_body(statement->branches.back().second, {"elif", "else", "endif"}));
    if (take_name("elif")) continue;
    if (take_name("else")) {
      LUTHIER_CHECK(parse_end(statement->otherwise, "endif"));
    } else {
      skip();  // endif
    }
    return statement;
  }
}

Parsed Parser::parse_for() {
  auto statement = new_stmt(Stmt::Kind::For, now().line);
  skip();
  stop_at_in_ = true;
  LUTHIER_TRY(statement->target, parse_target(false));
  stop_at_in_ = false;
  if (!take_name("in")) return unexpected();
  LUTHIER_TRY(statement->value, parse_tuple(false, false));
  if (take_name("if")) {
    LUTHIER_TRY(statement->test, parse_expression());
  }
  statement->recursive = take_name("recursive");
  if (statement->recursive) return fail("Recursive loops are not supported in chat templates.");
  LUTHIER_CHECK(expect_end_of_block());
  LUTHIER_CHECK(parse_body(statement->body, {"else", "endfor"}));
  if (take_name("else")) {
    LUTHIER_CHECK(parse_end(statement->otherwise, "endfor"));
  } else {
    skip();  // endfor
  }
  return statement;
}

Parsed Parser::parse_set() {
  auto statement = new_stmt(Stmt::Kind::Set, now().line);
  skip();
  LUTHIER_TRY(statement->target, parse_target(true));
  if (take_operator("=")) {
    LUTHIER_TRY(statement->value, parse_tuple(true, false));
    return statement;
  }
  statement->kind = Stmt::Kind::SetBlock;
  if (is_operator("|")) {
    LUTHIER_TRY(statement->value, parse_filter_chain(nullptr, false));
  }
  LUTHIER_CHECK(parse_end(statement->body, "endset"));
  return statement;
}

Status Parser::parse_signature(std::vector<Parameter>& parameters) {
  LUTHIER_CHECK(expect_operator("("));
  while (!is_operator(")")) {
    Parameter parameter;
    LUTHIER_TRY(parameter.name, expect_name());
    if (take_operator("=")) {
      LUTHIER_TRY(parameter.fallback, parse_expression());
    } else if (!parameters.empty() && parameters.back().fallback) {
      return fail("A parameter without a default follows one with a default.");
    }
    parameters.push_back(std::move(parameter));
    if (!take_operator(",")) break;
  }
  return expect_operator(")");
}

Parsed Parser::parse_macro() {
  auto statement = new_stmt(Stmt::Kind::Macro, now().line);
  skip();
  LUTHIER_TRY(statement->text, expect_name());
  LUTHIER_CHECK(parse_signature(statement->parameters));
  LUTHIER_CHECK(parse_end(statement->body, "endmacro"));
  return statement;
}

Parsed Parser::parse_call_block() {
  auto statement = new_stmt(Stmt::Kind::CallBlock, now().line);
  skip();
  if (is_operator("(")) LUTHIER_CHECK(parse_signature(statement->parameters));
  LUTHIER_TRY(statement->value, parse_expression());
  if (statement->value->kind != Expr::Kind::Call) return fail("A call block needs a call.");
  LUTHIER_CHECK(parse_end(statement->body, "endcall"));
  return statement;
}

Parsed Parser::parse_filter_block() {
  auto statement = new_stmt(Stmt::Kind::FilterBlock, now().line);
  skip();
  LUTHIER_TRY(statement->value, parse_filter_chain(nullptr, true));
  LUTHIER_CHECK(parse_end(statement->body, "endfilter"));
  return statement;
}

Parsed Parser::parse_with() {
  auto statement = new_stmt(Stmt::Kind::With, now().line);
  skip();
  while (now().kind != Token::Kind::BlockEnd) {
    if (!statement->bindings.empty()) LUTHIER_CHECK(expect_operator(","));
    LUTHIER_TRY(ExprPtr target, parse_target(false));
    LUTHIER_CHECK(expect_operator("="));
    LUTHIER_TRY(ExprPtr value, parse_expression());
    statement->bindings.emplace_back(std::move(target), std::move(value));
  }
  LUTHIER_CHECK(parse_end(statement->body, "endwith"));
  return statement;
}

}  // namespace luthier::templates
