// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/base/result.h"

#include "engine/base/base64.h"

namespace luthier {

std::string Error::sentence() const {
  std::string text;
  if (!where.empty()) text += where + ": ";
  text += what;
  if (!hint.empty()) text += " " + hint;
  return without_base64(text);  // a picture's bytes in a row are no reading for anybody
}

int Error::exit_status() const {
  switch (code) {
    case ErrorCode::Input: return 2;
    case ErrorCode::Machine: return 3;
    case ErrorCode::Interrupted: return 130;
  }
  return 3;
}

Error input_error(std::string what, std::string where, std::string hint) {
  return {ErrorCode::Input, std::move(what), std::move(where), std::move(hint)};
}

Error machine_error(std::string what, std::string where, std::string hint) {
  return {ErrorCode::Machine, std::move(what), std::move(where), std::move(hint)};
}

Error interrupted_error(std::string what) {
  return {ErrorCode::Interrupted, std::move(what), {}, {}};
}

}  // namespace luthier
