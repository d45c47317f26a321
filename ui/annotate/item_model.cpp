// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/annotate/item_model.h"

#include "ui/format.h"
#include "ui/theme.h"

namespace luthier {

namespace {

QString state_words(AnnotationItem::State state) {
  switch (state) {
    case AnnotationItem::State::Done: return ItemModel::tr("answered");
    case AnnotationItem::State::Skipped: return ItemModel::tr("skipped");
    case AnnotationItem::State::Open: break;
  }
  return ItemModel::tr("open");
}

}  // namespace

void ItemModel::show(const Annotation* annotation) {
  beginResetModel();
  annotation_ = annotation;
  endResetModel();
}

void ItemModel::refresh(std::size_t index) {
  const QModelIndex place = this->index(static_cast<int>(index));
  emit dataChanged(place, place);
}

void ItemModel::retranslate() {
  if (rowCount() > 0) emit dataChanged(index(0), index(rowCount() - 1));
}

int ItemModel::rowCount(const QModelIndex& parent) const {
  return parent.isValid() || !annotation_ ? 0 : static_cast<int>(annotation_->items().size());
}

QVariant ItemModel::data(const QModelIndex& index, int role) const {
  if (!annotation_ || !index.isValid()) return {};
  const AnnotationItem& item = annotation_->items()[static_cast<std::size_t>(index.row())];
  const QString name =
      path_text(item.picture.lexically_relative(annotation_->plan().pictures)) +
      (annotation_->plan().questions.size() > 1 ? QStringLiteral(" · %1").arg(item.number + 1)
                                                : QString());
  switch (role) {
    case Qt::DisplayRole: return name;
    case Qt::AccessibleTextRole: return QStringLiteral("%1, %2").arg(name, state_words(item.state));
    case Qt::ToolTipRole:
      return QStringLiteral("%1\n%2: %3")
          .arg(path_text(item.picture), state_words(item.state),
               QString::fromStdString(item.question));
    case Qt::DecorationRole:
      if (item.state == AnnotationItem::State::Done)
        return themed_icon(QStringLiteral("check"), colours().good);
      if (item.state == AnnotationItem::State::Skipped)
        return themed_icon(QStringLiteral("close"), colours().muted);
      return themed_icon(QStringLiteral("ask"), colours().muted);
    case Qt::ForegroundRole:
      return item.state == AnnotationItem::State::Open ? QVariant() : QVariant(colours().muted);
    default: return {};
  }
}

}  // namespace luthier
