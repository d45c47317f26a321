// SPDX-License-Identifier: GPL-3.0-or-later
// Asking for blocks of rows and forgetting them again.
#include "ui/data/row_model.h"

#include <QCoreApplication>
#include <QPixmap>
#include <algorithm>
#include <utility>

#include "ui/data/finding_words.h"
#include "ui/format.h"
#include "ui/messages.h"
#include "ui/pictures.h"
#include "ui/theme.h"

namespace luthier {

namespace {

constexpr std::size_t kBlock = 32, kMostBlocks = 48, kMostWaiting = 3, kMostScattered = 40,
                      kMostPictures = 1500;
constexpr int kEdge = 40, kMostWords = 160;

/// A picture or a film; null: there is none.
const ContentPart* first_shown(const RowPreview& row) {
  for (const Message& message : row.conversation.messages)
    for (const ContentPart& part : message.content)
      if (part.kind != ContentPart::Kind::Text) return &part;
  return nullptr;
}

}  // namespace

QString finding_text(const std::string& kind) {
  return QCoreApplication::translate("finding", kind.c_str());
}

RowModel::RowModel(Workspace& workspace, QObject* parent)
    : QAbstractTableModel(parent), workspace_(workspace) {
  connect(&workspace_.bridge(), &SessionBridge::rows_previewed, this, &RowModel::arrived);
  connect(&workspace_.bridge(), &SessionBridge::request_done, this,
          [this](const RequestDone& event) {
            const auto found = asked_.find(event.request);
            if (found == asked_.end()) return;
            waiting_.erase(found->second);
            asked_.erase(found);
            if (event.error) emit failed(*event.error);
          });
}

void RowModel::clear() {
  beginResetModel();
  active_ = false;
  total_ = 0;
  blocks_.clear();
  used_.clear();
  findings_ = {};
  order_.reset();
  places_.clear();
  edits_ = {};
  for (const auto& [request, block] : asked_) workspace_.session().cancel(request);
  asked_.clear();
  waiting_.clear();
  endResetModel();
}

void RowModel::restart(const Recipe& recipe) {
  clear();
  recipe_ = recipe;
  active_ = true;
  ask(0);
}

void RowModel::ask(std::size_t block) const {
  if (!active_ || waiting_.count(block)) return;
  // Scrolling far asks for much; what is furthest back in time is dropped.
  while (asked_.size() >= (order_ ? kMostScattered : kMostWaiting)) {
    const auto oldest = asked_.begin();
    workspace_.session().cancel(oldest->first);
    waiting_.erase(oldest->second);
    asked_.erase(oldest);
  }
  waiting_.insert(block);
  asked_[workspace_.session().preview_rows(recipe_, block * kBlock, kBlock)] = block;
}

void RowModel::arrived(const RowsPreviewed& event) {
  const auto found = asked_.find(event.request);
  if (found == asked_.end()) return;
  const std::size_t block = found->second;
  waiting_.erase(block);
  asked_.erase(found);
  if (event.total_rows != total_) {
    beginResetModel();
    total_ = event.total_rows;
    endResetModel();
  }
  blocks_[block] = event.rows;
  used_.remove(block);
  used_.push_front(block);
  while (used_.size() > kMostBlocks) {
    blocks_.erase(used_.back());
    used_.pop_back();
  }
  if (pictures_.size() + broken_.size() > kMostPictures) {
    pictures_.clear();
    broken_.clear();
  }
  const std::size_t first = block * kBlock;
  if (order_) {
    for (std::size_t i = 0; i < event.rows.size(); ++i)
      if (const int at = shown_at(first + i); at >= 0)
        emit dataChanged(index(at, 0), index(at, ColumnCount - 1));
  } else if (!event.rows.empty() && first < total_) {
    const std::size_t last = std::min(first + event.rows.size(), total_) - 1;
    emit dataChanged(index(static_cast<int>(first), 0),
                     index(static_cast<int>(last), ColumnCount - 1));
  }
  emit rows_arrived(first, event.rows.size());
}

void RowModel::set_findings(const FindingList& findings) {
  findings_ = findings;
  if (rowCount() > 0) emit dataChanged(index(0, Findings), index(rowCount() - 1, Findings));
}

void RowModel::show_only(std::optional<std::vector<std::size_t>> rows) {
  beginResetModel();
  order_ = std::move(rows);
  places_.clear();
  if (order_) {
    std::erase_if(*order_, [this](std::size_t row) { return row >= total_; });
    places_.assign(total_, -1);
    for (std::size_t i = 0; i < order_->size(); ++i) places_[(*order_)[i]] = static_cast<int>(i);
  }
  endResetModel();
}

void RowModel::set_edits(const RowEdits& edits) {
  edits_ = edits;
  if (rowCount() > 0) emit dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
}

std::size_t RowModel::row_at(int shown) const {
  const auto at = static_cast<std::size_t>(shown);
  return order_ && at < order_->size() ? (*order_)[at] : at;
}

int RowModel::shown_at(std::size_t row) const {
  if (!order_) return row < total_ ? static_cast<int>(row) : -1;
  return row < places_.size() ? places_[row] : -1;
}

void RowModel::tell(std::size_t row, int column) {
  if (const int at = shown_at(row); at >= 0) emit dataChanged(index(at, column), index(at, column));
}

QStringList RowModel::findings_of(std::size_t row) const {
  QStringList messages;
  for (const Finding* finding : findings_.of(row)) messages << finding_reason(finding->message);
  return messages;
}

const RowPreview* RowModel::preview(std::size_t row) const {
  const auto found = blocks_.find(row / kBlock);
  if (found == blocks_.end()) {
    ask(row / kBlock);
    return nullptr;
  }
  const std::size_t offset = row % kBlock;
  return offset < found->second.size() ? &found->second[offset] : nullptr;
}

int RowModel::rowCount(const QModelIndex& parent) const {
  if (parent.isValid()) return 0;
  return static_cast<int>(order_ ? order_->size() : total_);
}
int RowModel::columnCount(const QModelIndex&) const { return ColumnCount; }

QVariant RowModel::words(const RowPreview& row) const {
  if (row.error) return said_text(row.error->what);
  QString text;
  for (const Message& message : row.conversation.messages) {
    for (const ContentPart& part : message.content) {
      if (part.kind != ContentPart::Kind::Text) continue;
      if (!text.isEmpty())
        text += message.role == "assistant" ? QStringLiteral("  →  ") : QStringLiteral("  ·  ");
      text += QString::fromStdString(part.text).simplified();
    }
    if (text.size() > kMostWords) break;
  }
  for (const auto* answer : {&row.conversation.chosen, &row.conversation.answer})
    for (const Message& message : answer->value_or(std::vector<Message>()))
      for (const ContentPart& part : message.content)
        text += QStringLiteral("  →  ") + QString::fromStdString(part.text).simplified();
  return text.left(kMostWords);
}

QVariant RowModel::picture(std::size_t row, const RowPreview& preview) const {
  const ContentPart* shown = first_shown(preview);
  if (!shown) return {};
  const QString name = shown->kind == ContentPart::Kind::Image
                           ? path_text(shown->image)
                           : QString::fromStdString(film_name(shown->film));
  if (broken_.count(name))
    return themed_icon(QStringLiteral("warning"), colours().error).pixmap(24, 24);
  if (const auto found = pictures_.find(name); found != pictures_.end()) return found->second;
  std::set<std::size_t>& rows = awaited_[name];
  const bool on_its_way = !rows.empty();
  rows.insert(row);
  if (on_its_way) return {};
  auto* self = const_cast<RowModel*>(this);
  const auto show = [self, name](const QImage& image, const QString&) {
    if (image.isNull())
      self->broken_.insert(name);
    else
      self->pictures_[name] = QPixmap::fromImage(image);
    for (const std::size_t each : std::exchange(self->awaited_[name], {}))
      self->tell(each, Picture);
    self->awaited_.erase(name);
  };
  if (shown->kind == ContentPart::Kind::Image)
    load_picture(name, kEdge, self, show);
  else
    load_film(shown->film, 1, kEdge, self, show);
  const auto found = pictures_.find(name);
  return found != pictures_.end() ? QVariant(found->second) : QVariant();
}

QVariant RowModel::data(const QModelIndex& index, int role) const {
  const std::size_t row = row_at(index.row());
  if (role == Qt::FontRole && edits_.dropped.contains(row)) {
    QFont struck;
    struck.setStrikeOut(true);
    return struck;
  }
  if (role == Qt::TextAlignmentRole && (index.column() == Number || index.column() == Tokens))
    return QVariant(Qt::AlignRight | Qt::AlignVCenter);
  if (index.column() == Number && role == Qt::DisplayRole) return QString::number(row + 1);
  if (index.column() == Number && role == Qt::ForegroundRole) return colours().muted;
  const RowPreview* const shown = preview(row);
  if (index.column() == Findings) {
    const auto found = findings_.of(row);
    if (role == Qt::DecorationRole && (!found.empty() || (shown && shown->error)))
      return themed_icon(QStringLiteral("warning"), colours().warning).pixmap(16, 16);
    if (role == Qt::ToolTipRole) return findings_of(row).join(QLatin1Char('\n'));
    if (role == Qt::DisplayRole) {
      if (edits_.dropped.contains(row)) return tr("left out");
      if (edits_.replaced.contains(row)) return tr("put right");
      if (found.empty()) return shown && shown->error ? tr("not usable") : QString();
      QStringList kinds;
      for (const Finding* finding : found) kinds << finding_text(finding->kind);
      return kinds.join(QStringLiteral(", "));
    }
    return {};
  }
  if (!shown)
    return index.column() == Words && role == Qt::DisplayRole ? QVariant(QStringLiteral("…"))
                                                              : QVariant();
  if (index.column() == Picture && role == Qt::DecorationRole) return picture(row, *shown);
  if (role == Qt::ToolTipRole && index.column() == Words && shown->error)
    return error_text(*shown->error);
  if (role != Qt::DisplayRole) return {};
  if (index.column() == Words) return words(*shown);
  if (index.column() == Tokens)
    return shown->ids.empty() ? QString()
                              : grouped_text(static_cast<std::int64_t>(shown->ids.size()));
  return {};
}

QVariant RowModel::headerData(int section, Qt::Orientation orientation, int role) const {
  if (orientation != Qt::Horizontal) return {};
  if (role == Qt::TextAlignmentRole)
    return QVariant((section == Number || section == Tokens ? Qt::AlignRight : Qt::AlignLeft) |
                    Qt::AlignVCenter);
  if (role != Qt::DisplayRole) return {};
  switch (section) {
    case Number: return tr("Row");
    case Picture: return tr("Picture");
    case Words: return tr("Words");
    case Tokens: return tr("Tokens");
    case Findings: return tr("Findings");
    default: return {};
  }
}

void RowModel::retranslate() {
  emit headerDataChanged(Qt::Horizontal, 0, ColumnCount - 1);
  if (rowCount() > 0) emit dataChanged(index(0, Findings), index(rowCount() - 1, Findings));
}

}  // namespace luthier
