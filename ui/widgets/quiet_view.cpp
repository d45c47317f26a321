// SPDX-License-Identifier: GPL-3.0-or-later
// A small style sheet a view.
#include "ui/widgets/quiet_view.h"

#include <QAbstractItemView>
#include <QHeaderView>
#include <QStyledItemDelegate>
#include <QTableView>
#include <QTimer>
#include <QTreeView>

#include "ui/theme.h"
#include "ui/widgets/copied_table.h"

namespace luthier {

namespace {

QString mixed(const QColor& colour, const QColor& ground, double share) {
  const auto mix = [share](int a, int b) { return static_cast<int>(a * share + b * (1 - share)); };
  return QColor(mix(colour.red(), ground.red()), mix(colour.green(), ground.green()),
                mix(colour.blue(), ground.blue()))
      .name();
}

/// Boxes to tick as they are elsewhere: in the view's own colours they would be card on card.
class BoxDelegate : public QStyledItemDelegate {
 public:
  using QStyledItemDelegate::QStyledItemDelegate;

 protected:
  void initStyleOption(QStyleOptionViewItem* option, const QModelIndex& index) const override {
    QStyledItemDelegate::initStyleOption(option, index);
    if (!(option->features & QStyleOptionViewItem::HasCheckIndicator)) return;
    option->palette.setColor(QPalette::Base, colours().field);
    option->palette.setColor(QPalette::Window, colours().muted);  // Fusion's outline is darker
  }
};

}  // namespace

/// Rows of a table go with the size of words. What a row's usual height is, is known once whoever
/// makes the table has set it.
void size_rows(QTableView* table) {
  constexpr char kUsualRow[] = "luthier_usual_row";
  QHeaderView* rows = table->verticalHeader();
  if (!table->property(kUsualRow).isValid())
    table->setProperty(kUsualRow, rows->defaultSectionSize());
  const int height = scaled_length(table->property(kUsualRow).toInt());
  if (rows->defaultSectionSize() != height) rows->setDefaultSectionSize(height);
}

void make_quiet(QAbstractItemView* view) {
  if (auto* table = qobject_cast<QTableView*>(view)) {
    const auto size = [table] { size_rows(table); };
    QTimer::singleShot(0, table, size);
    QObject::connect(&Theme::instance(), &Theme::changed, table, size);
  }
  view->setFrameShape(QFrame::NoFrame);
  view->setItemDelegate(new BoxDelegate(view));
  make_rows_copied(view);
  QList<QHeaderView*> heads;
  if (auto* table = qobject_cast<QTableView*>(view)) heads << table->horizontalHeader();
  if (auto* tree = qobject_cast<QTreeView*>(view)) heads << tree->header();
  for (QHeaderView* head : heads) {
    head->setDefaultAlignment(Qt::AlignLeft | Qt::AlignVCenter);
    head->setHighlightSections(false);
  }
  const auto style = [view, heads] {
    const Colours& c = colours();
    QPalette palette = view->palette();
    palette.setColor(QPalette::Base, c.card);
    palette.setColor(QPalette::AlternateBase, QColor(mixed(c.window, c.card, 0.6)));
    view->setPalette(palette);
    view->setStyleSheet(
        QStringLiteral("QAbstractItemView{background:%1; alternate-background-color:%2; border:0}"
                       "QAbstractItemView::item:selected{background:%3; color:%4}")
            .arg(c.card.name(), mixed(c.window, c.card, 0.6), mixed(c.accent, c.card, 0.16),
                 c.text.name()));
    for (QHeaderView* head : heads)
      head->setStyleSheet(
          QStringLiteral("QHeaderView{background:%1}QHeaderView::section{background:%1; color:%2; "
                         "border:0; border-bottom:1px solid %3; padding:4px 3px}")
              .arg(c.card.name(), c.muted.name(), c.line.name()));
  };
  style();
  QObject::connect(&Theme::instance(), &Theme::changed, view, style);
}

void blend_in(QWidget* text_area, bool on_card) {
  const auto tint = [text_area, on_card] {
    QPalette palette = text_area->palette();
    palette.setColor(QPalette::Base, on_card ? colours().card : colours().window);
    text_area->setPalette(palette);
  };
  tint();
  QObject::connect(&Theme::instance(), &Theme::changed, text_area, tint);
}

}  // namespace luthier
