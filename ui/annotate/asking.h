// SPDX-License-Identifier: GPL-3.0-or-later
// How an item of an annotation is put to a model, and who that is: for proposals and for synthesis.
#pragma once

#include "engine/data/annotation.h"
#include "ui/workspace.h"

namespace luthier {

/// The item's picture and question.
Sample sample_of(const AnnotationItem& item);
/// The loaded model and the attached adapter of this name; empty: the base alone.
AnswerMaker maker_of(Workspace& workspace, const QString& adapter);
/// A request to it without samples, of answers as long as an annotation has them.
AnswerRequest request_to(const QString& adapter, double temperature);

}  // namespace luthier
