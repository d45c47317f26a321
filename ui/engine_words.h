// SPDX-License-Identifier: GPL-3.0-or-later
// The engine speaks English; the window says its sentences in the person's language. A catalogue
// (translations/engine_ko.json) holds patterns with holes, which
// tests/structure/engine_sentences.py reads out of the engine's sources; what fills the holes is
// looked up too, so that a sentence inside another one is said in the same language. What no
// pattern fits stays English.
#pragma once

#include <QString>
#include <string>

#include "engine/base/result.h"

namespace luthier {

/// A sentence of the engine, several of them, or an error as one line ("where: what hint").
QString engine_text(const std::string& english);
/// An error as the window shows it: the place, what is wrong, what to do.
QString engine_text(const Error& error);

/// Of two forms of a Korean particle, as in "파일이(가)", the one that fits what stands before it.
/// Both stay where that cannot be known, after Latin letters say.
QString with_particles(QString korean);

}  // namespace luthier
