// SPDX-License-Identifier: GPL-3.0-or-later
// A finding as its row is read: the reason first and in the window's language. Which file and row
// it is about stands beside it already, so a path is cut down to the name that tells, and is whole
// in the tooltip.
#pragma once

#include <QString>
#include <string>

#include "engine/base/result.h"

namespace luthier {

/// "rows.jsonl: row 3: /p/a.png: The picture is missing." → "The picture is missing. (a.png)"
QString finding_reason(const std::string& message);
QString finding_reason(const Error& error);

}  // namespace luthier
