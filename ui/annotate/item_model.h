// SPDX-License-Identifier: GPL-3.0-or-later
// The items of an annotation as a list: a picture's name, its question's number where there are
// several, and what became of it.
#pragma once

#include <QAbstractListModel>

#include "engine/data/annotation.h"

namespace luthier {

class ItemModel : public QAbstractListModel {
  Q_OBJECT

 public:
  using QAbstractListModel::QAbstractListModel;
  /// The annotation lives longer, or null comes first.
  void show(const Annotation* annotation);
  void refresh(std::size_t index);
  void retranslate();

  int rowCount(const QModelIndex& parent = {}) const override;
  QVariant data(const QModelIndex& index, int role) const override;

 private:
  const Annotation* annotation_ = nullptr;
};

}  // namespace luthier
