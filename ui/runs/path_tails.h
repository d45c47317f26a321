// SPDX-License-Identifier: GPL-3.0-or-later
// Paths as short as they can be told apart: every task's data is called train.jsonl, and its folder
// says which.
#pragma once

#include <QString>
#include <map>
#include <string>
#include <vector>

namespace luthier {

/// Of each path its last two parts, and more where another path would end alike.
std::map<std::string, QString> path_tails(const std::vector<std::string>& paths);

}  // namespace luthier
