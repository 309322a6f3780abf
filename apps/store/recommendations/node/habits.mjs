// What is bought together, and how much of everything: the same counts as in apps/store/recommendations/module.py.

const MOST = 30; // products of one order that are learned from

export class Habits {
  constructor() {
    this.products = new Map(); // sku -> { sold, available, discontinued }
    this.pairs = new Map(); // sku -> Map(other -> orders in which both were bought)
  }

  // ---------------------------------------------------------------- what happened, by the names of events

  OrderPaid({ lines }) {
    const sold = new Map();
    for (const { sku, quantity } of lines) sold.set(sku, (sold.get(sku) ?? 0) + quantity);
    for (const [sku, quantity] of sold) this.product(sku).sold += quantity;
    const together = [...sold.keys()].sort(by((sku) => sku)).slice(0, MOST);
    for (const sku of together) {
      for (const other of together) if (other !== sku) this.count(sku, other);
    }
  }

  ProductDiscontinued({ sku }) {
    this.product(sku).discontinued = true;
  }

  StockOut({ sku }) {
    this.product(sku).available = false;
  }

  StockBack({ sku }) {
    this.product(sku).available = true;
  }

  // ---------------------------------------------------------------- what is asked

  alsoBought(skus, limit) {
    const scores = new Map();
    for (const sku of new Set(skus)) {
      for (const [other, orders] of this.pairs.get(sku) ?? []) scores.set(other, (scores.get(other) ?? 0) + orders);
    }
    const also = this.best(scores, new Set(skus), limit, "also bought");
    const known = new Set([...skus, ...also.map((one) => one.sku)]);
    const sold = [...this.products].filter(([, product]) => product.sold > 0).map(([sku, { sold }]) => [sku, sold]);
    return [...also, ...this.best(sold, known, limit - also.length, "popular")];
  }

  best(scores, without, limit, reason) {
    return [...scores]
      .filter(([sku]) => !without.has(sku) && this.canBeBought(sku))
      .sort(by(([sku, score]) => [-score, sku]))
      .slice(0, limit)
      .map(([sku, score]) => ({ sku, score, reason }));
  }

  canBeBought(sku) {
    const product = this.products.get(sku);
    return product !== undefined && product.available && !product.discontinued;
  }

  // ---------------------------------------------------------------- counting

  product(sku) {
    if (!this.products.has(sku)) this.products.set(sku, { sold: 0, available: true, discontinued: false });
    return this.products.get(sku);
  }

  count(sku, other) {
    if (!this.pairs.has(sku)) this.pairs.set(sku, new Map());
    const others = this.pairs.get(sku);
    others.set(other, (others.get(other) ?? 0) + 1);
  }
}

// Compares by what `of` gives: text, or a number and then text; text by its code points, as the databases do.
function by(of) {
  return (a, b) => {
    const [one, other] = [[of(a)].flat(), [of(b)].flat()];
    const place = one.findIndex((part, index) => part !== other[index]);
    return place < 0 ? 0 : one[place] < other[place] ? -1 : 1;
  };
}
