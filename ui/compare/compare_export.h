// SPDX-License-Identifier: GPL-3.0-or-later
// A comparison as files: the JSON document that `luthier-cli compare` writes too, and one HTML page with its pictures inside.
#pragma once

#include "engine/base/result.h"
#include "ui/compare/comparison.h"

namespace luthier {

QByteArray comparison_json(const Workspace& workspace, const Comparison& comparison);
QByteArray comparison_html(const Workspace& workspace, const Comparison& comparison);

}  // namespace luthier
