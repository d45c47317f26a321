// SPDX-License-Identifier: GPL-3.0-or-later
// A session's events as they cross a line (docs/serve.md), and what an answer is asked with. Those
// of a run cross; those about the resident model, about data and merging stay where they are.
#pragma once

#include <optional>

#include "engine/session/session.h"

namespace luthier {

/// nullopt: it does not cross.
std::optional<Json> event_to_json(const SessionEvent& event);
/// nullopt: an event that this version does not know. An Input error names the field.
Result<std::optional<SessionEvent>> event_from_line(const Json& json, const std::string& where);

/// `inlined`: pictures that are here go as their bytes, for a machine that has not the file.
Result<Json> answer_to_json(const AnswerRequest& request, bool inlined);
Result<AnswerRequest> answer_from_json(const Json& json, const std::string& where);

}  // namespace luthier
