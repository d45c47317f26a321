// SPDX-License-Identifier: GPL-3.0-or-later
// What a user, a file or a machine can get wrong is a value, not an exception: a function that can
// fail so returns Result<T>, whose Error is a sentence with the place it is about and what to do
// next.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace luthier {

/// Who is at fault; the command line's exit status follows from it (2, 3, 130).
enum class ErrorCode { Input, Machine, Interrupted };

/// `what` is the sentence, `where` names file and field ("model/config.json: hidden_size"), `hint`
/// says what to do.
struct Error {
  ErrorCode code = ErrorCode::Input;
  std::string what;
  std::string where;
  std::string hint;

  /// "where: what hint", with the empty parts left out: what a terminal or a label shows.
  std::string sentence() const;
  /// The process exit status of `code`: 2 the input, 3 the machine, 130 interrupted.
  int exit_status() const;
};

Error input_error(std::string what, std::string where = {}, std::string hint = {});
Error machine_error(std::string what, std::string where = {}, std::string hint = {});
Error interrupted_error(std::string what = "Interrupted.");

/// Either a value or an Error. `take()` moves the value out.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  const T& value() const {
    assert(ok());
    return std::get<0>(state_);
  }
  T& value() {
    assert(ok());
    return std::get<0>(state_);
  }
  T take() {
    assert(ok());
    return std::move(std::get<0>(state_));
  }
  const T& operator*() const { return value(); }
  T& operator*() { return value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }
  const Error& error() const {
    assert(!ok());
    return std::get<1>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

/// Done, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    assert(!ok());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace luthier

#define LUTHIER_JOIN_(a, b) a##b
#define LUTHIER_JOIN(a, b) LUTHIER_JOIN_(a, b)
#define LUTHIER_TRY_(temporary, declaration, expression) \
  auto temporary = (expression);                         \
  if (!temporary) return temporary.error();              \
  declaration = temporary.take()

/// `LUTHIER_TRY(auto x, f())`: declares x from f()'s value, or returns its error from the enclosing
/// function.
#define LUTHIER_TRY(declaration, expression) \
  LUTHIER_TRY_(LUTHIER_JOIN(result_, __LINE__), declaration, expression)

/// `LUTHIER_CHECK(f())`: returns f()'s error from the enclosing function, if it has one.
#define LUTHIER_CHECK(expression)                                      \
  do {                                                                 \
    if (auto status_ = (expression); !status_) return status_.error(); \
  } while (false)
