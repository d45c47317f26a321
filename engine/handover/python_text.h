// SPDX-License-Identifier: GPL-3.0-or-later
// Values and calls as Python writes them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/io/json.h"

namespace luthier::handover {

/// None, True, 2e-4, "text", [1, 2], {"a": 1}.
std::string python_literal(const Json& value);
std::string python_text(const std::string& text);

/// A keyword with its value as Python text.
using Keywords = std::vector<std::pair<std::string, std::string>>;

/// "name(a=1, b=2)" in lines of at most 100 columns, a keyword a line where it does not fit one;
/// `indent`: of the line that it begins in, `before`: what stands there already.
std::string python_call(const std::string& before, const std::string& name,
                        const std::vector<std::string>& positional, const Keywords& keywords,
                        int indent = 0);

/// `text` as comment lines of at most 100 columns.
std::string python_comment(const std::string& text);

}  // namespace luthier::handover
