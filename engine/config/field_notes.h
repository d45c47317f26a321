// SPDX-License-Identifier: GPL-3.0-or-later
// What a person asks of a setting beside what it is: which values are usual, and what it costs. One
// sentence each, for the window's tips and help and for the command line's. They stand apart from
// the table of fields, so that a kind's file stays about what it computes.
#pragma once

#include <string>

namespace luthier {

struct FieldNote {
  const char* usual = nullptr;  ///< "8 to 64 is usual."
  const char* cost = nullptr;   ///< "Memory and time grow with it; …"
};

/// The note of a setting by its key; of one that several kinds have under their own sections
/// (dpo.beta, kto.beta) by its last name, where it means the same to all. Empty for no setting.
FieldNote field_note(const std::string& key);

}  // namespace luthier
