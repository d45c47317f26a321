// SPDX-License-Identifier: GPL-3.0-or-later
// What an exported page says, in the window's language.
#pragma once

#include "engine/compare/documents.h"

namespace luthier {

ComparisonWords document_words();

}  // namespace luthier
